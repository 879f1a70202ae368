"""The recogniser that runs inside the product's own process."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import re
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from functools import cached_property, partial
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from threadpoolctl import threadpool_limits

from bot.config import Config
from bot.contracts import Entity, LanguageGuess, Parse
from bot.contracts.text import clean as storable
from nlu import store, vectors
from nlu.classifier import IntentClassifier, for_vectors
from nlu.detectors import LangdetectDetector, StatisticalDetector
from nlu.entities import EntityExtractor
from nlu.language import LanguageIdentifier
from nlu.text import clean, fold
from nlu.train import ensure_model_sync

ENGINE = "embedded"

# How much the language of the conversation counts beside a message's own characters, which of a word or two say
# little. A message that is clearly in another language is not tipped at all.
_HELD, _HELD_SHORT, _SHORT = 0.3, 0.6, 2
_CLEAR = 0.8

_PAYLOAD = re.compile(r"^/(?P<intent>[^\s{}@/]+)(?:@\d*\.?\d+)?\s*(?P<data>\{.*\})?\s*$", re.DOTALL)
_WORDS = re.compile(r"[^\W_]")


def parse_payload(text: str, intents: Collection[str]) -> Parse | None:
    """Read Rasa's payload form ``/intent{"entity": "value"}`` exactly; None for anything else.

    An unknown intent or broken JSON is ordinary text. A list gives one entity for each value. An
    entity's place is that of the JSON object, from which its value was read; what JSON can escape
    and a database cannot store (NUL, half a character) is replaced.
    """
    match = _PAYLOAD.match(text)
    if match is None or match["intent"] not in intents:
        return None
    try:
        data = json.loads(match["data"] or "{}")
    except (ValueError, RecursionError):
        return None
    start, end = match.span("data") if match["data"] else (len(text), len(text))
    entities = tuple(
        Entity(storable(str(name)), storable(_string(value)), start, end, 1.0, "payload")
        for name, values in data.items()
        for value in (values if isinstance(values, list) else [values])
        if value is not None
    )
    guess = LanguageGuess("", 0.0, reason="a button, not words")
    return Parse(text, match["intent"], 1.0, ((match["intent"], 1.0),), entities, guess)


def _string(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class EmbeddedRecognizer:
    """Implements :class:`bot.contracts.Recognizer` with a trained model in memory.

    Reading a message takes some milliseconds of computation, which happen in one thread of its own:
    the event loop stays free, and the parts that are not safe for two threads are safe.
    """

    def __init__(self, config: Config, model: store.Model) -> None:
        settings = config.settings
        self._zone = ZoneInfo(settings.shop.timezone)
        self._classifier: IntentClassifier = model.classifier
        self._models_dir = config.models_dir
        self._encoders = str(model.report.get("vectors", ""))
        self._extractor = EntityExtractor(settings.shop, settings.languages, model.tables, model.tagger)
        alone = settings.recognizer.language_detector == "langdetect"
        detector = LangdetectDetector() if alone else StatisticalDetector(config.models_dir)
        self.identifier = LanguageIdentifier(model.language, detector, detector_alone=alone)
        self.intents = frozenset(model.intents)
        self.report = model.report
        # A message is too little work to share: on a busy machine BLAS threads wait for one another
        # five times longer than one of them needs.
        self._limits = threadpool_limits(1, user_api="blas")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recognizer")

    @classmethod
    def load(cls, config: Config, progress: Callable[[float, str], None] | None = None) -> EmbeddedRecognizer:
        """Load the model for the present files; train it first where it is missing or damaged.

        Raises:
            ConfigError: the training data cannot be used.
            TrainingError: training failed.
        """
        path = store.model_path(config)
        try:
            return cls(config, store.load(path))
        except store.DamagedModelError:
            store.remove(path)
            path = ensure_model_sync(config, progress)
        return cls(config, store.load(path))

    async def parse(self, text: str, *, language: str = "", today: date | None = None) -> Parse:
        """Understand one message; see :class:`bot.contracts.Recognizer`."""
        work = partial(self.parse_sync, text, language=language, today=today)
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    @cached_property
    def _loaded(self) -> tuple[vectors.Encoder, ...]:
        return vectors.load(self._models_dir, self._encoders)

    async def warm_up(self) -> None:
        """Load what is otherwise loaded at the first message that needs it, which would hold up all others."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._load_all)

    def _load_all(self) -> None:
        self.identifier.warm_up()
        for number in range(self._classifier.encoders):
            self._loaded[number].encode(["hello"])
        # What was read to be made into something else: 14 MB that the C library (glibc) would keep.
        with contextlib.suppress(OSError, AttributeError, TypeError):
            ctypes.CDLL(None).malloc_trim(0)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def parse_sync(self, text: str, *, language: str = "", today: date | None = None) -> Parse:
        """As :meth:`parse`, in the calling thread."""
        if text.startswith("/") and (pressed := parse_payload(text, self.intents)):
            return pressed
        cleaned = clean(text)
        if not cleaned:
            return Parse(text, "", 0.0, language=LanguageGuess("", 0.0, reason="no words to judge by"))
        guess = self.identifier.identify(cleaned)
        day = today or datetime.now(self._zone).date()
        entities = self._extractor.extract(text, today=day, language=guess.language or language)
        ranking = self._rank(cleaned, guess, language)
        intent, confidence = ranking[0] if ranking else ("", 0.0)
        return Parse(text, intent, confidence, ranking, entities, guess, ENGINE)

    def _rank(self, cleaned: str, guess: LanguageGuess, spoken: str) -> tuple[tuple[str, float], ...]:
        classifier = self._classifier
        # What is said in a language without examples is understood by what it means, where the vectors know it.
        meant = bool(self._encoders) and guess.foreign in vectors.LANGUAGES
        shares = {guess.foreign: 1.0} if meant else self.identifier.shares(cleaned)
        # Emoji and signs, and words of no known language: as far as examples have used anything like
        # them, they mean what they meant there.
        known = meant or (guess.language and _WORDS.search(cleaned))
        support = 1.0 if known else classifier.support(fold(cleaned))
        if not support:
            return ()
        speaks_for_itself = guess.language not in ("", spoken) and guess.confidence >= _CLEAR
        if spoken in shares and not speaks_for_itself:
            held = _HELD_SHORT if len(cleaned.split()) <= _SHORT else _HELD
            shares = {code: (1 - held) * share for code, share in shares.items()}
            shares[spoken] += held
        scores = classifier.probabilities(
            cleaned, shares, lambda number: self._loaded[number].encode([for_vectors(cleaned)])[0]
        )
        scores *= np.float32(support)
        order = np.argsort(-scores, kind="stable")
        shown = scores[order].astype(np.float64).round(6).tolist()
        return tuple(zip([classifier.intents[place] for place in order.tolist()], shown, strict=True))
