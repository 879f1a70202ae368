"""General language detectors, asked when the project's own words do not settle the matter.

py3langid's own loader unpacks its tables into every process (75 MB, half a second). As with the
sentence vectors, :func:`prepare` unpacks them once beside the trained models, and from there they
are mapped into memory: only pages in use are resident, and processes share them.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
import threading
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from nlu import tables

log = logging.getLogger(__name__)

PACKAGE = "py3langid"
_TABLES = ("features", "priors", "classes", "moves", "rows", "outputs")
_SHOWN = 8

# py3langid knows many small neighbours of these, which short texts are mistaken for.
_MAJOR = frozenset(
    (
        *("af", "ar", "az", "be", "bg", "bn", "bs", "ca", "cs", "cy", "da", "de", "el", "en", "es", "et", "eu", "fa"),
        *("fi", "fr", "ga", "gl", "gu", "he", "hi", "hr", "hu", "hy", "id", "is", "it", "ja", "ka", "kk", "km", "kn"),
        *("ko", "lo", "lt", "lv", "mk", "ml", "mn", "mr", "ms", "my", "nb", "ne", "nl", "no", "pa", "pl", "pt", "ro"),
        *("ru", "si", "sk", "sl", "sq", "sr", "sv", "sw", "ta", "te", "th", "tl", "tr", "uk", "ur", "uz", "vi", "zh"),
    )
)


class Detector(Protocol):
    """A general language detector."""

    def rank(self, text: str) -> Sequence[tuple[str, float]]:
        """(language, probability) pairs, best first; Chinese is zh, zh-Hans or zh-Hant."""
        ...


def folder_name() -> str:
    """The name of the folder with the unpacked tables of the installed version."""
    try:
        return f"detector-{version(PACKAGE)}"
    except PackageNotFoundError:
        return "detector-none"


def prepare(models_dir: Path) -> None:
    """Unpack the detector's tables below ``models_dir``, unless they are there already."""
    folder = models_dir / folder_name()
    if all((folder / f"{name}.npy").is_file() for name in _TABLES):
        return
    own = _ordinary()
    found = {
        "features": own.nb_ptc,
        "priors": own.nb_pc,
        "classes": np.array(own.nb_classes),
        "moves": np.array(own.tk_nextmove),
        "rows": np.array(own.tk_row),
        "outputs": np.array(own.tk_output),
    }
    models_dir.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="tmp-", dir=models_dir))
    try:
        for name, table in found.items():
            tables.save(work / f"{name}.npy", table)
        with contextlib.suppress(OSError):
            work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _ordinary() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _mapped(folder: Path) -> Any:
    """The identifier with its big tables in mapped files. Raises if they are not usable."""
    from py3langid.langid import LanguageIdentifier

    found: dict[str, Any] = {name: tables.mapped(folder / f"{name}.npy") for name in _TABLES}
    # Read one number at a time: a memoryview does that much faster than an array, and as lists they would take 12 MB.
    rows, moves, outputs = (memoryview(found[name]) for name in ("rows", "moves", "outputs"))
    identifier = LanguageIdentifier(
        found["features"],
        np.array(found["priors"]),
        found["classes"].tolist(),
        moves,
        outputs,
        norm_probs=True,
        tk_row=rows,
    )
    identifier._rowbase = memoryview(found["rows"].astype(np.uint32) << np.uint32(8))
    return identifier


class StatisticalDetector:
    """py3langid, loaded at the first question.

    Args:
        models_dir: where :func:`prepare` has unpacked its tables; None to use its own loader.
    """

    def __init__(self, models_dir: Path | None = None) -> None:
        self._folder = models_dir / folder_name() if models_dir else None
        self._identifier: Any = None
        self._lock = threading.Lock()

    def rank(self, text: str) -> Sequence[tuple[str, float]]:
        """See :class:`Detector`."""
        with self._lock:
            if self._identifier is None:
                self._identifier = self._load()
        return [(code, float(value)) for code, value in self._identifier.rank(text.lower()) if code in _MAJOR][:_SHOWN]

    def _load(self) -> Any:
        if self._folder is not None:
            try:
                return _mapped(self._folder)
            except (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError) as error:
                log.debug("the language detector is loaded the ordinary way: %s", error)
        return _ordinary()


class LangdetectDetector:
    """langdetect, loaded at the first question; seeded, so the same text gets the same answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def rank(self, text: str) -> Sequence[tuple[str, float]]:
        """See :class:`Detector`."""
        import langdetect

        with self._lock:
            langdetect.DetectorFactory.seed = 0
            try:
                found = langdetect.detect_langs(text.lower())
            except langdetect.LangDetectException:
                return ()
        chinese = {"zh-cn": "zh-Hans", "zh-tw": "zh-Hant"}
        return [(chinese.get(item.lang, item.lang), float(item.prob)) for item in found]
