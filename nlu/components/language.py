"""Rasa's pipeline: the language of a message, as ``language`` in what ``/model/parse`` answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Dict, List, Optional

import rasa.shared.utils.io
from py3langid.langid import MODEL_FILE
from py3langid.langid import LanguageIdentifier as Detector
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from nlu.components.identify import identify
from nlu.text import clean

_FILE = "languages.json"
PROJECT_FILE = Path("config.yml")


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=True)
class LanguageIdentifier(GraphComponent):
    """Adds ``language`` and ``language_confidence`` to a message; no language where it does not say.

    The languages to choose from are the component's setting ``languages``, or else those that
    ``config.yml`` in the working folder lists; training keeps them in the model.
    """

    @staticmethod
    def required_packages() -> List[str]:
        """Named as they are imported."""
        return ["py3langid"]

    @staticmethod
    def get_default_config() -> Dict[str, Any]:
        """The component's settings."""
        return {"languages": []}

    @classmethod
    def fingerprint_addon(cls, config: Dict[str, Any]) -> Optional[str]:
        """A change of the languages is a change of the component."""
        return ",".join(_spoken(config))

    @classmethod
    def create(
        cls,
        config: Dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> LanguageIdentifier:
        """For training; see Rasa's GraphComponent."""
        return cls(_spoken(config), model_storage, resource)

    @classmethod
    def load(
        cls,
        config: Dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> LanguageIdentifier:
        """For messages; see Rasa's GraphComponent."""
        with model_storage.read_from(resource) as folder:
            languages = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        component = cls(languages, model_storage, resource)
        component.warm_up()
        return component

    def __init__(self, languages: Sequence[str], model_storage: ModelStorage, resource: Resource) -> None:
        self._languages = tuple(languages)
        self._model_storage = model_storage
        self._resource = resource
        self._detector: Optional[Detector] = None

    def warm_up(self) -> None:
        """Load the detector, so that no customer waits for it."""
        self._rank("ok")

    def train(self, training_data: TrainingData) -> Resource:
        """Keep the languages; there is nothing to learn."""
        with self._model_storage.write_to(self._resource) as folder:
            (folder / _FILE).write_text(json.dumps(self._languages), encoding="utf-8")
        return self._resource

    def process(self, messages: List[Message]) -> List[Message]:
        """Say the language of each message."""
        for message in messages:
            language, sure = identify(clean(message.get(TEXT) or ""), self._languages, self._rank)
            message.set("language", language or None, add_to_output=True)
            message.set("language_confidence", sure, add_to_output=True)
        return messages

    def _rank(self, text: str) -> Any:
        if self._detector is None:
            self._detector = Detector.from_pickled_model(MODEL_FILE, norm_probs=True)
        return [(code, float(share)) for code, share in self._detector.rank(text.lower())]


def _spoken(config: Dict[str, Any]) -> Sequence[str]:
    if config.get("languages"):
        return list(config["languages"])
    if not PROJECT_FILE.is_file():
        return []
    document = rasa.shared.utils.io.read_yaml_file(PROJECT_FILE)
    return [str(code) for code in document.get("languages") or ()]
