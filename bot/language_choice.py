"""Which language a conversation is held in, message by message.

Pure: what was decided before and what the identifier thinks go in, the language comes out.
"""

from __future__ import annotations

import re
from dataclasses import replace

from bot.contracts import LanguageGuess
from bot.dialogue import FREE_TEXT, WIDE
from bot.state import State

# Fewer words than these are no sentence; wide characters count as half a word each.
SENTENCE = 3
_WORD = re.compile(r"(?<![\w@.+-])[^\W\d_][^\s\d@]*(?![\w@])")
_QUESTION = re.compile("[?？؟]")


def choose_language(
    state: State,
    current: str,
    guess: LanguageGuess,
    hint: str,
    default: str,
    switch: float,
    text: str = "",
) -> tuple[str, State, str]:
    """Which language to answer in, and why.

    The language is sticky. It changes on request (then ``state.language_chosen`` is set), and on a
    clear message in another language; against an explicit choice, or in answer to a question for free
    text, it takes two of them in a row; so it does for less than a sentence in answer to any other question,
    which may be a name.

    Args:
        state: the dialogue's state.
        current: the conversation's language so far, ``""`` at its beginning.
        guess: what the identifier thinks of this message.
        hint: the configured language that the platform says its user prefers, or ``""``.
        default: the merchant's language.
        switch: how sure the identifier must be to leave ``current``.
        text: the message.

    Returns:
        The language, the state, and the reason in words for the desk.
    """
    clear = bool(guess.language) and guess.confidence >= switch
    # What is typed where an address or a story is asked for may well be in another language.
    asking = state.task.asking if state.task else ""
    held = state.language_chosen or asking in FREE_TEXT or (bool(asking) and not _is_sentence(text))
    if not current:
        if clear or (guess.language and not hint):
            return guess.language, state, f"first message: {guess.reason}"
        if hint:
            return hint, state, "the platform says its user prefers it"
        return default, state, "nothing else is known, so the shop's default"
    if not clear or guess.language == current:
        return current, replace(state, other_language="") if clear else state, ""
    if held and state.other_language != guess.language:
        return current, replace(state, other_language=guess.language), ""
    changed = replace(state, other_language="", language_chosen=False)
    return guess.language, changed, f"changed: {guess.reason}"


def _is_sentence(text: str) -> bool:
    """Whether a text says more than a name or a number would."""
    words = len(_WORD.findall(WIDE.sub(" ", text))) + len(WIDE.findall(text)) / 2
    return words >= SENTENCE or bool(_QUESTION.search(text))
