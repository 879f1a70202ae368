"""``replies/<language>.yml``: ready-made replies for agents, per language."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.config import ConfigError, Problem, line_of, load_yaml

VARIABLES = frozenset({"customer", "agent", "shop"})


@dataclass(frozen=True, slots=True)
class CannedReply:
    """A ready-made reply; its text may hold ``{customer}``, ``{agent}`` and ``{shop}``."""

    name: str
    text: str

    def filled(self, **values: str) -> str:
        """The text with what is known put in; a variable that is not given stays as it is.

        Where a value is empty, the space and the comma before it go too: "Hello {customer}," becomes
        "Hello,".
        """
        text = self.text
        for name, value in values.items():
            slot = "{" + name + "}"
            text = text.replace(slot, value) if value else re.sub(rf"[,،，、]?\s*{re.escape(slot)}", "", text)
        return text


def _problems(path: Path, name: str) -> tuple[list[CannedReply], list[Problem]]:
    document = load_yaml(path, name)
    if not isinstance(document, list):
        return [], [Problem(name, 1, "expected a list of replies, each with `name:` and `text:`")]
    replies: list[CannedReply] = []
    problems = []
    for index, entry in enumerate(document):
        line = line_of(document, index)
        if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("name", "text")):
            problems.append(Problem(name, line, "a reply needs `name:` and `text:`"))
            continue
        try:
            used = {field for _, field, _, _ in string.Formatter().parse(entry["text"]) if field is not None}
        except ValueError as error:
            problems.append(Problem(name, line, f"the braces do not fit together: {error}"))
            continue
        if unknown := used - VARIABLES:
            known = ", ".join(f"{{{field}}}" for field in sorted(VARIABLES))
            problems.append(Problem(name, line, f"{{{min(unknown)}}} is not known; there are {known}"))
            continue
        replies.append(CannedReply(entry["name"].strip(), entry["text"].strip()))
    return replies, problems


def load_canned(home: Path, languages: Sequence[str]) -> Mapping[str, tuple[CannedReply, ...]]:
    """The ready-made replies of every language that has a file; the others have none.

    Raises:
        ConfigError: a file is malformed, by line.
    """
    found: dict[str, tuple[CannedReply, ...]] = {}
    problems: list[Problem] = []
    for language in languages:
        path = home / "replies" / f"{language}.yml"
        if path.exists():
            replies, wrong = _problems(path, f"replies/{language}.yml")
            found[language] = tuple(replies)
            problems += wrong
    if problems:
        raise ConfigError(*problems)
    return found
