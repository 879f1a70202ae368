"""The last report, kept below the data folder, and what has changed since."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.config import Config
from nlu.evaluation.report import Report

_OVERALL = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "language_accuracy": "language right",
    "calibration_error": "calibration error",
    "out_of_scope_auroc": "out-of-scope AUROC",
}
_LEAST = 0.0005


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure that is not what it was. ``kind`` is ``overall``, ``language``, ``intent`` or ``entity``."""

    kind: str
    name: str
    measure: str
    before: float
    now: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """What has changed since a report that was made at ``since`` (UTC, ISO 8601)."""

    since: str
    differences: tuple[Difference, ...]

    def __str__(self) -> str:
        """A line for each difference."""
        if not self.differences:
            return f"Nothing has changed since the report of {self.since}."
        width = max(len(f"{item.kind} {item.name} {item.measure}") for item in self.differences)
        lines = [
            f"{f'{item.kind} {item.name} {item.measure}':<{width}}  {item.before:.3f} → {item.now:.3f}  "
            f"({item.now - item.before:+.3f})"
            for item in self.differences
        ]
        return "\n".join([f"Since the report of {self.since}:", *lines])


def report_file(config: Config, report: Report, languages: Sequence[str] | None) -> Path:
    """Where the last report like this one is; one for each engine and choice of languages."""
    parts = ["evaluation", report.engine, *sorted(languages or ())]
    if not report.messages:
        parts.append("cross-validation")
    return config.data_dir / "reports" / f"{'-'.join(parts)}.json"


def compare_and_keep(config: Config, report: Report, languages: Sequence[str] | None) -> Comparison | None:
    """Compare with the last report, and make this one the last; None where there is none to compare with."""
    path = report_file(config, report, languages)
    before: Any = None
    with contextlib.suppress(OSError, ValueError):
        before = json.loads(path.read_text(encoding="utf-8"))
    path.parent.mkdir(parents=True, exist_ok=True)
    work = path.with_suffix(f".{os.getpid()}.tmp")
    work.write_text(json.dumps(report.to_json(), ensure_ascii=False), encoding="utf-8")
    work.replace(path)
    return compare(before, report) if isinstance(before, dict) else None


def compare(before: Mapping[str, Any], report: Report) -> Comparison:
    """What is different from an earlier report (as :meth:`Report.to_json` gave it), the largest change first."""
    now = report.to_json()
    found = [_difference("overall", "", title, before.get(key), now.get(key)) for key, title in _OVERALL.items()]
    found += _rows("language", before, now, "by_language", {"accuracy": "accuracy", "language": "language right"})
    found += _rows("intent", before, now, "by_intent", {"f1": "F1"})
    found += _rows("entity", before, now, "entities", {"f1": "F1"})
    old, new = before.get("cross_validation"), now.get("cross_validation")
    if isinstance(old, dict) and isinstance(new, dict):
        title = "cross-validation accuracy"
        found.append(_difference("overall", "", title, old.get("accuracy"), new.get("accuracy")))
        found += _rows("language", old, new, "by_language", {"accuracy": title})
        found += _rows("intent", old, new, "by_intent", {"f1": "cross-validation F1"})
    order = ("overall", "language", "intent", "entity")
    differences = [item for item in found if item is not None and abs(item.now - item.before) >= _LEAST]
    differences.sort(key=lambda item: (order.index(item.kind), -abs(item.now - item.before)))
    return Comparison(str(before.get("made", "")), tuple(differences))


def _rows(
    kind: str, before: Mapping[str, Any], now: Mapping[str, Any], table: str, measures: Mapping[str, str]
) -> list[Difference | None]:
    old, new = before.get(table), now.get(table)
    if not isinstance(old, dict) or not isinstance(new, dict):
        return []
    return [
        _difference(kind, name, title, old[name].get(key), new[name].get(key))
        for name in new
        if isinstance(old.get(name), dict)
        for key, title in measures.items()
    ]


def _difference(kind: str, name: str, measure: str, before: Any, now: Any) -> Difference | None:
    if not isinstance(before, int | float) or not isinstance(now, int | float):
        return None
    return Difference(kind, name, measure, float(before), float(now))
