"""Rasa's pipeline: its conditional random field for entities, kept as it was trained."""

from __future__ import annotations

import json
import shutil
import warnings
from collections import OrderedDict
from typing import Any, Dict, List

from rasa.engine.graph import ExecutionContext
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.extractors.crf_entity_extractor import CRFEntityExtractor

_ORDER = "order.json"

# Rasa looks whether its own classes are in the pipeline and does not see that this one is a CRFEntityExtractor.
for _complaint in ("entity examples", "lookup tables"):
    warnings.filterwarnings(
        "ignore", message=rf"You have defined training data consisting of {_complaint}, but your NLU configuration does"
    )


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=True)
class KeptCRFEntityExtractor(CRFEntityExtractor):
    """Rasa's ``CRFEntityExtractor`` with the same settings, ready at once when a server starts.

    Rasa stores the examples and learns from them again whenever a model is loaded, which takes
    minutes in fifteen languages. This one stores what was learnt, in CRFsuite's own format.
    """

    def persist(self, dataset: List[Any]) -> None:
        """Keep the trained taggers."""
        taggers = self.entity_taggers or {}
        with self._model_storage.write_to(self._resource) as folder:
            for name, tagger in taggers.items():
                shutil.copyfile(tagger.modelfile.name, folder / f"{name}.crfsuite")
            (folder / _ORDER).write_text(json.dumps(list(taggers)), encoding="utf-8")

    @classmethod
    def load(
        cls,
        config: Dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> KeptCRFEntityExtractor:
        """For messages; see Rasa's GraphComponent. Finds nothing if there was nothing to learn."""
        import sklearn_crfsuite

        try:
            with model_storage.read_from(resource) as folder:
                order = json.loads((folder / _ORDER).read_text(encoding="utf-8"))
                taggers = OrderedDict()
                for name in order:
                    taggers[name] = sklearn_crfsuite.CRF(model_filename=str(folder / f"{name}.crfsuite"))
                    # Read now: the folder is gone once the model is loaded.
                    if taggers[name].tagger_ is None:
                        raise ValueError(f"the model's tagger for {name} is missing")
        except ValueError:
            return cls(config, model_storage, resource)
        extractor = cls(config, model_storage, resource, taggers)
        extractor.crf_order = order
        return extractor
