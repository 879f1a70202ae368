"""How a customer sounds: very unhappy (-1) to delighted (1), from word lists and a few rules, without a model.

It serves two things: handing a conversation over when a customer is very unhappy, where a score of
:data:`VERY_UNHAPPY` or less should be rare and right, and colouring the comments of a survey. A mere
report of a problem is no anger. See ``docs/sentiment.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bot.config import ConfigError, Problem
from nlu.sentiment import scoring
from nlu.sentiment.lexicon import COMMON, Lexicon, Section, read, shipped

FOLDER = "sentiment"
"""Where a project's own words are, below the folder of ``config.yml``."""

NEGATIVE, POSITIVE = -0.2, 0.2
"""Beyond these a message counts as negative or positive; between them as neutral."""

VERY_UNHAPPY = -0.6
"""At or below this a customer is very unhappy."""


class Sentiment:
    """Scores messages; :func:`load` makes one. Word lists are read at a language's first message."""

    def __init__(self, languages: Sequence[str], own: Mapping[str, Section]) -> None:
        self._languages = frozenset(languages)
        self._own = own
        self._lexicons: dict[str, Lexicon | None] = {}

    def score(self, text: str, language: str) -> float:
        """How the text sounds, in [-1, 1]: negative to positive.

        It is 0 when the text says nothing either way, is empty, or the language is not one of those
        loaded. A regional code (``pt-BR``) is read as its language. Only the first
        ``scoring.LIMIT`` characters count.
        """
        lexicon = self._lexicon(language)
        return scoring.judge(text, lexicon).score if lexicon and text else 0.0

    def reasons(self, text: str, language: str) -> tuple[tuple[str, float], ...]:
        """The words that counted, as the customer wrote them, each with what it added, in their order."""
        lexicon = self._lexicon(language)
        return scoring.judge(text, lexicon).reasons if lexicon and text else ()

    def _lexicon(self, language: str) -> Lexicon | None:
        if language not in self._languages:
            language = language.partition("-")[0]
            if language not in self._languages:
                return None
        if language not in self._lexicons:
            sections = (shipped(COMMON), shipped(language), self._own.get(COMMON), self._own.get(language))
            known = [section for section in sections if section is not None]
            # What all languages share is not enough to read one by.
            alone = sections[1] is None and sections[3] is None
            self._lexicons[language] = None if alone else Lexicon(known)
        return self._lexicons[language]


def load(languages: Sequence[str], home: Path | None = None) -> Sentiment:
    """A scorer for these languages; one for which there are no words scores 0.

    Args:
        languages: BCP 47 codes, as in ``languages:`` of ``config.yml``.
        home: the project folder; the words in its ``sentiment/<language>.yml`` and
            ``sentiment/common.yml`` are laid over the shipped ones.

    Raises:
        ConfigError: a file of the project cannot be used; every problem is named with its line.
    """
    own: dict[str, Section] = {}
    problems: list[Problem] = []
    wanted = {name.casefold(): name for name in (*languages, COMMON)}
    folder = home / FOLDER if home else None
    for path in sorted(folder.glob("*.y*ml")) if folder and folder.is_dir() else ():
        shown = f"{FOLDER}/{path.name}"
        language = wanted.get(path.stem.casefold())
        if language is None:
            continue  # of a language that is switched off
        if path.name != f"{language}.yml":
            problems.append(Problem(shown, 0, f"this file is not read; call it {language}.yml"))
            continue
        try:
            own[language] = read(path, shown)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*problems)
    return Sentiment(languages, own)
