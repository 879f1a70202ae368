"""What customers make of what has happened to them: whether they answer a survey, what they give, what they write.

A score is what a person is like, what they have lived through, and chance. The weights were set so that the whole
comes out as shops report it; what differs between agents, carriers or countries comes from what happened, never
from these numbers.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from bot.simulation.cast import Person
from bot.simulation.phrases import Phrases

# An experience is in somebody's mind for so long.
REMEMBERED = timedelta(days=30)
# The shares of those who answer at all, by the scale's end; and of the answers that come too late, or in words.
_ANSWERS = {5: 0.42, 7: 0.42, 10: 0.3}
LATE, IN_WORDS, NOT_NOW = 0.05, 0.06, 0.05
_CHANNEL = {"web": 0.75, "whatsapp": 1.25, "telegram": 1.1, "slack": 1.05}
# Five-point digits as words, for those who type them.
WORDS = {
    "en": ("one", "two", "three", "four", "five"),
    "es": ("uno", "dos", "tres", "cuatro", "cinco"),
    "fr": ("un", "deux", "trois", "quatre", "cinq"),
    "de": ("eins", "zwei", "drei", "vier", "fünf"),
    "pt": ("um", "dois", "três", "quatro", "cinco"),
    "zh-Hans": ("一分", "两分", "三分", "四分", "五分"),
    "ja": ("1点", "2点", "3点", "4点", "5点"),
    "ar": ("واحد", "اثنان", "ثلاثة", "أربعة", "خمسة"),
}


@dataclass(frozen=True, slots=True)
class Experience:
    """What somebody has lived through with the shop lately.

    ``waited`` is the time until a person answered, as a share of what was promised (1: just in time);
    ``carrier`` and ``product``: something was wrong with these; ``lost``: how often the bot did not understand.
    ``skill`` is that of the agent who worked on it.
    """

    at: datetime
    solved: bool = True
    waited: float = 0.0
    missed: bool = False
    carrier: bool = False
    product: bool = False
    lost: int = 0
    skill: float = 0.85
    recovered: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody gives, and what they write with it (``""``: nothing)."""

    score: int
    comment: str


def recalled(person: Person, experience: Experience | None, moment: datetime) -> Experience:
    """What is in somebody's mind now; of what is long ago nothing but that they know the shop."""
    if experience is None or moment - experience.at > REMEMBERED:
        return Experience(moment)
    return experience


def _mood(person: Person, lived: Experience) -> float:
    """How content somebody is, in points of a five-point scale around 4.9."""
    mood = 4.88 + person.bias + 1.6 * (lived.skill - 0.85)
    mood -= min(lived.waited, 2.0) * 0.35 + 0.8 * lived.missed
    mood -= 1.7 * (not lived.solved) + 0.55 * lived.carrier + 0.6 * lived.product
    mood -= 0.5 * min(lived.lost, 3)
    return mood + (1.3 if lived.recovered else 0.0)


def answers(person: Person, highest: int, lived: Experience) -> bool:
    """Whether somebody answers: the very content and the angry more often than the others."""
    mood = _mood(person, lived)
    share = _ANSWERS[highest] * _CHANNEL[person.channel] * (0.4 + 0.6 * person.answers)
    if mood < 3.2 or mood > 5.0:
        share *= 1.25
    return person.chance.random() < min(share, 0.9)


def judge(person: Person, highest: int, lived: Experience, phrases: Phrases) -> Answer:
    """What somebody gives on a scale that ends at 5, 7 or 10."""
    chance = person.chance
    mood = _mood(person, lived) + chance.gauss(0, 0.65)
    if highest == 5:
        score = round(min(max(mood, 1), 5))
    elif highest == 7:
        score = round(min(max(1.35 * mood - 0.35, 1), 7))
    else:
        score = round(min(max(2.35 * mood - 2.75 + chance.gauss(0, 0.5), 0), 10))
    share = score / highest
    wants = chance.random() < (0.7 if share < 0.5 else 0.35 if share > 0.75 else 0.5)
    return Answer(score, phrases.say(_about(chance, lived, share), chance) if wants else "")


def _about(chance: random.Random, lived: Experience, share: float) -> str:
    """The kind of comment that fits."""
    if share > 0.85:
        return "comment_great"
    reasons = [
        ("comment_promise", lived.missed),
        ("comment_slow", lived.waited > 0.8),
        ("comment_carrier", lived.carrier),
        ("comment_product", lived.product),
        ("comment_bot", lived.lost > 0),
        ("comment_unsolved", not lived.solved),
    ]
    given = [key for key, true in reasons if true]
    if given:
        return chance.choice(given)
    return "comment_fine" if share > 0.5 else chance.choice(("comment_slow", "comment_unsolved"))


def after(lived: Experience, **changes: Any) -> Experience:
    """An experience that has gone on."""
    return replace(lived, **changes)
