"""Floors under the figures: a file of what must not be fallen below, raised as recognition improves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.config import ConfigError, Problem
from nlu.evaluation.report import Report

LEAST_ACCURACY = 0.85
"""What a language must reach for which no floor has been written yet."""

# How far below what was measured a floor is set. An intent has some hundred messages in all languages
# together, and a handful in each.
_MARGINS = {"accuracy": 0.02, "language": 0.02, "intent": 0.05, "intent in a language": 0.3}


def _measured(report: Report) -> dict[str, Any]:
    """The figures that have floors, in the file's shape."""
    languages = {
        language: {
            "accuracy": row["accuracy"],
            "language": row["language"],
            "intents": {
                intent: cell["f1"] for intent, cell in report.by_language_and_intent[language].items() if cell["count"]
            },
        }
        for language, row in report.by_language.items()
    }
    return {
        "intents": {intent: row["f1"] for intent, row in report.by_intent.items() if row["count"]},
        "languages": languages,
    }


def raised(floors: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Floors a little under what a report measured, or as they were where that is higher."""
    now, known = _measured(report), floors.get("languages", {})
    languages = dict(known)
    for language, row in now["languages"].items():
        old = known.get(language, {})
        languages[language] = {
            "accuracy": _higher(old.get("accuracy"), row["accuracy"] - _MARGINS["accuracy"]),
            "language": _higher(old.get("language"), row["language"] - _MARGINS["language"]),
            "intents": _all_higher(old.get("intents", {}), row["intents"], _MARGINS["intent in a language"]),
        }
    intents = _all_higher(floors.get("intents", {}), now["intents"], _MARGINS["intent"])
    return {"intents": dict(sorted(intents.items())), "languages": dict(sorted(languages.items()))}


def _all_higher(old: Mapping[str, float], new: Mapping[str, float], margin: float) -> dict[str, float]:
    return {**old, **{name: _higher(old.get(name), value - margin) for name, value in new.items()}}


def _higher(old: float | None, new: float) -> float:
    return round(max(old or 0.0, new, 0.0), 3)


def below(floors: Mapping[str, Any], report: Report) -> list[str]:
    """Every figure that is under its floor, as a sentence; a language without floors has a general one."""
    now = _measured(report)
    found = []
    for language, row in now["languages"].items():
        floor = floors.get("languages", {}).get(language, {"accuracy": LEAST_ACCURACY})
        pairs = {"accuracy": "the accuracy", "language": "the share of messages whose language is recognised"}
        for key, words in pairs.items():
            if row[key] < floor.get(key, 0.0):
                found.append(f"{language}: {words} is {row[key]:.3f}, the floor {floor[key]:.3f}")
        found += _under(floor.get("intents", {}), row["intents"], f"{language}: ")
    return found + _under(floors.get("intents", {}), now["intents"], "")


def _under(floors: Mapping[str, float], now: Mapping[str, float], prefix: str) -> list[str]:
    return [
        f"{prefix}the F1 of {name} is {now[name]:.3f}, the floor {floor:.3f}"
        for name, floor in floors.items()
        if name in now and now[name] < floor
    ]


def section(uses_vectors: bool) -> str:
    """The part of the file that holds for a recogniser with or without sentence vectors."""
    return "with vectors" if uses_vectors else "without vectors"


def load(path: Path, part: str) -> dict[str, Any]:
    """Read one part of a file of floors; nothing where there is no such file or part.

    Raises:
        ConfigError: the file is not what :func:`write` wrote.
    """
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(Problem(str(path), 0, f"not a file of floors: {error}")) from None
    found = whole.get(part, {}) if isinstance(whole, dict) else None
    if not isinstance(found, dict):
        raise ConfigError(Problem(str(path), 0, "not a file of floors: expected an object"))
    return found


def write(path: Path, part: str, report: Report) -> None:
    """Raise one part of a file of floors to what a report allows; nothing is lowered.

    Raises:
        ConfigError: the file that is there is not one of floors.
    """
    floors = raised(load(path, part), report)
    whole = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    whole[part] = floors
    path.write_text(json.dumps(whole, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
