"""Engines that recognise intents; ``recognizer.engine`` in ``config.yml`` names the one in use."""

from __future__ import annotations

from pathlib import Path

from bot.config import Config
from bot.contracts import Recognizer
from nlu.train import Progress
from nlu.train import ensure_model as _train_if_needed

__all__ = ["Progress", "create", "ensure_model"]


def create(config: Config) -> Recognizer:
    """The recogniser that the settings name, ready for messages.

    Where its model is missing it is trained first, in another process; a server awaits
    :func:`ensure_model` before, so that it stays responsive.

    Raises:
        ConfigError: the training data cannot be used.
        TrainingError: training failed.
    """
    from nlu.recognizers.embedded import EmbeddedRecognizer

    return EmbeddedRecognizer.load(config)


async def ensure_model(config: Config, progress: Progress | None = None) -> Path | None:
    """Make sure that what the recogniser needs is there; return the model's folder."""
    return await _train_if_needed(config, progress)
