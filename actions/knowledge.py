"""``knowledge/<language>.yml``: what the desk answers to general questions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.config import ConfigError, Problem, line_of, load_yaml
from bot.dialogue import width
from bot.services.severity import folded


@dataclass(frozen=True, slots=True)
class Topic:
    """An answer that is preferred when one of its words is in the question."""

    words: tuple[str, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to one intent."""

    general: str
    topics: tuple[Topic, ...] = ()

    def topic(self, question: str) -> str:
        """The topic's answer with the longest matching word, or ``""``."""
        asked = folded(question)
        hits = [(len(word), topic.answer) for topic in self.topics for word in topic.words if _occurs(word, asked)]
        return max(hits)[1] if hits else ""

    def to(self, question: str) -> str:
        """The best topic's answer, or the general one."""
        return self.topic(question) or self.general


def _occurs(word: str, text: str) -> bool:
    """Whether a word stands in a text: whole where words are spaced, anywhere in Chinese and its like."""
    if width(word) > len(word):
        return word in text
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None


def _read(path: Path, name: str) -> dict[str, Answer]:
    document = load_yaml(path, name)
    problems: list[Problem] = []
    answers: dict[str, Answer] = {}
    if not isinstance(document, dict):
        raise ConfigError(Problem(name, 1, "expected an intent with its `answer:` below it"))
    for intent, entry in document.items():
        line = line_of(document, intent)
        if not isinstance(entry, dict) or not isinstance(entry.get("answer"), str):
            problems.append(Problem(name, line, f"`{intent}` has no `answer:`"))
            continue
        topics = []
        for index, topic in enumerate(entry.get("topics") or ()):
            if not isinstance(topic, dict) or not topic.get("words") or not isinstance(topic.get("answer"), str):
                where = line_of(document, intent, "topics", index)
                problems.append(Problem(name, where, "a topic needs `words: [...]` and `answer:`"))
                continue
            words = tuple(folded(str(word)) for word in topic["words"])
            topics.append(Topic(words, topic["answer"].strip()))
        answers[str(intent)] = Answer(entry["answer"].strip(), tuple(topics))
    if problems:
        raise ConfigError(*problems)
    return answers


def load_knowledge(home: Path, languages: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    """The answers of every configured language, by intent.

    Raises:
        ConfigError: a file is missing or malformed, by line.
    """
    return {
        language: _read(home / "knowledge" / f"{language}.yml", f"knowledge/{language}.yml") for language in languages
    }
