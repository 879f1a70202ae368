"""Engines that recognise intents; ``recognizer.engine`` in ``config.yml`` names the one in use."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.config import Config
from bot.contracts import Recognizer
from nlu.train import Progress
from nlu.train import ensure_model as _train_if_needed

__all__ = ["Progress", "close", "create", "ensure_model"]


def create(config: Config) -> Recognizer:
    """The recogniser that the settings name, ready for messages; :func:`close` ends it.

    Where the embedded engine's model is missing it is trained first, in another process; a server
    awaits :func:`ensure_model` before, so that it stays responsive. A Rasa server need not run yet:
    until it does, the embedded engine answers.

    Raises:
        ConfigError: the training data cannot be used.
        TrainingError: training failed.
    """
    from nlu.recognizers.embedded import EmbeddedRecognizer

    embedded = EmbeddedRecognizer.load(config)
    if config.settings.recognizer.engine == "rasa":
        from nlu.recognizers.rasa import RasaRecognizer

        return RasaRecognizer(config, embedded)
    return embedded


async def close(recognizer: Recognizer) -> None:
    """End what a recogniser made by :func:`create` holds: connections, threads."""
    from nlu.recognizers.embedded import EmbeddedRecognizer
    from nlu.recognizers.rasa import RasaRecognizer

    if isinstance(recognizer, RasaRecognizer):
        await recognizer.close()
        recognizer = recognizer.embedded
    if isinstance(recognizer, EmbeddedRecognizer):
        await asyncio.to_thread(recognizer.close)


async def warm_up(recognizer: Recognizer) -> None:
    """Have a recogniser made by :func:`create` load now what it would load at its first message."""
    from nlu.recognizers.embedded import EmbeddedRecognizer
    from nlu.recognizers.rasa import RasaRecognizer

    if isinstance(recognizer, RasaRecognizer):
        recognizer = recognizer.embedded
    if isinstance(recognizer, EmbeddedRecognizer):
        await recognizer.warm_up()


async def ensure_model(config: Config, progress: Progress | None = None) -> Path | None:
    """Make sure that what the embedded engine needs is there; return the model's folder."""
    return await _train_if_needed(config, progress)
