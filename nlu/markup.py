"""Rasa's notation for entities inside an example: ``[text](entity)`` and ``[text]{…}``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_MARK = re.compile(
    r"\[(?P<text>[^\[\]]+)\](?:"
    r"\((?P<entity>[^:()\s]+)(?::(?P<value>[^()]+))?\)"
    r"|(?P<object>\{[^{}]*\})"
    r"|\[(?P<list>\{[^\[\]]*\})\])"
)
_LEFT_OVER = re.compile(r"[\[\]]")
_CLOSED = re.compile(r"\[[^\[\]]*\](?![({\[])")


class MarkupError(ValueError):
    """The entity marks of a line cannot be read; the text says what to correct."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """An entity marked by hand: ``text[start:end]`` in code points, with its canonical value."""

    entity: str
    value: str
    start: int
    end: int


def parse_markup(raw: str) -> tuple[str, tuple[Annotation, ...]]:
    """Split a marked line into its plain text and the annotations.

    Square brackets that are balanced and not followed by an entity are ordinary text.

    Raises:
        MarkupError: a bracket without its partner, or a mark that cannot be read.
    """
    parts: list[str] = []
    annotations: list[Annotation] = []
    position = length = 0
    for match in _MARK.finditer(raw):
        before = _plain(raw[position : match.start()])
        parts += [before, match["text"]]
        start = length + len(before)
        length = start + len(match["text"])
        annotations += [Annotation(entity, value, start, length) for entity, value in _entities(match)]
        position = match.end()
    parts.append(_plain(raw[position:]))
    return "".join(parts), tuple(annotations)


def _plain(text: str) -> str:
    if _LEFT_OVER.search(_CLOSED.sub("", text)):
        raise MarkupError(
            f"unbalanced or unfinished entity mark in {text.strip()[:60]!r}; "
            'write [words](entity) or [words]{"entity": "name", "value": "value"}'
        )
    return text


def _entities(match: re.Match[str]) -> Iterator[tuple[str, str]]:
    if match["entity"]:
        yield match["entity"], (match["value"] or match["text"]).strip()
        return
    source = match["object"] or f"[{match['list']}]"
    try:
        data: Any = json.loads(source)
    except ValueError:
        raise MarkupError(f"the entity mark {source[:60]!r} is not valid JSON; quote names and values") from None
    for item in data if isinstance(data, list) else [data]:
        entity = item.get("entity") if isinstance(item, dict) else None
        if not isinstance(entity, str) or not entity:
            raise MarkupError(f"the entity mark {source[:60]!r} does not name an entity")
        yield entity, str(item.get("value", match["text"]))
