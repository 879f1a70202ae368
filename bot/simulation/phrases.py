"""What simulated people write: a corpus a language, each written by itself and not translated.

None of it stands among the recogniser's examples, so that the demonstration's figures show how the bot does on
words that it has never seen.
"""

from __future__ import annotations

import random
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from ruamel.yaml import YAML

# Every key with the number of its lines at least, and what may stand in them.
KEYS: Mapping[str, tuple[int, frozenset[str]]] = {
    key: (count, frozenset(names.split()))
    for key, count, names in (
        ("products", 8, ""),
        ("greet", 6, ""),
        ("thanks", 8, ""),
        ("bye", 4, ""),
        ("yes", 5, ""),
        ("no", 4, ""),
        ("skip", 3, ""),
        ("track_order", 14, "order"),
        ("ask_shipping", 6, ""),
        ("ask_return_policy", 6, ""),
        ("ask_payment", 5, ""),
        ("product_question", 6, "product"),
        ("request_return", 8, "order"),
        ("request_exchange", 5, "order"),
        ("request_refund", 6, "order"),
        ("refund_status", 8, "order"),
        ("cancel_order", 6, "order"),
        ("change_address", 5, "order"),
        ("payment_problem", 6, ""),
        ("complaint_damaged", 10, "product"),
        ("complaint_wrong_item", 8, "product"),
        ("complaint_missing", 6, "product"),
        ("complaint_not_delivered", 10, "order carrier"),
        ("complaint_late", 10, "order carrier"),
        ("complaint_quality", 12, "product"),
        ("complaint_service", 6, ""),
        ("complaint_billing", 6, ""),
        ("ask_human", 8, ""),
        ("give_feedback", 5, ""),
        ("off_topic", 8, ""),
        ("promotion", 14, ""),
        ("rephrase", 6, ""),
        ("chase", 8, ""),
        ("detail", 12, ""),
        ("ok_solution", 10, ""),
        ("not_ok", 8, ""),
        ("not_solved", 6, ""),
        ("comment_great", 14, ""),
        ("comment_fine", 6, ""),
        ("comment_slow", 10, ""),
        ("comment_unsolved", 8, ""),
        ("comment_carrier", 8, ""),
        ("comment_product", 8, ""),
        ("comment_bot", 8, ""),
        ("comment_promise", 6, ""),
        ("agent_hello", 8, "name agent"),
        ("agent_ask", 6, ""),
        ("agent_wait", 6, ""),
        ("agent_refund", 6, ""),
        ("agent_replacement", 6, ""),
        ("agent_info", 6, ""),
        ("agent_bye", 6, ""),
        ("agent_followup", 5, ""),
        ("agent_reason", 5, ""),
    )
}
SOURCE = "en"
FOLDER = "phrases"


@dataclass(frozen=True, slots=True)
class Phrases:
    """What people of one language write, by key."""

    language: str
    lines: Mapping[str, Sequence[str]]

    def say(self, key: str, chance: random.Random, **values: str) -> str:
        """A line of a key, filled in; never one that needs a value which is not given."""
        given = {name for name, value in values.items() if value}
        usable = [line for line in self.lines[key] if "{" not in line or placeholders(line) <= given]
        return chance.choice(usable or ["…"]).format(**values)


def placeholders(line: str) -> set[str]:
    """The names in braces of a line."""
    return {name for _, name, _, _ in string.Formatter().parse(line) if name is not None}


def languages() -> tuple[str, ...]:
    """The languages for which there is a corpus."""
    found = (resources.files(__package__) / FOLDER).iterdir()
    return tuple(sorted(item.name.removesuffix(".yml") for item in found if item.name.endswith(".yml")))


@lru_cache(maxsize=32)
def load(language: str) -> Phrases:
    """The corpus of a language."""
    text = (resources.files(__package__) / FOLDER / f"{language}.yml").read_text(encoding="utf-8")
    return Phrases(language, YAML(typ="safe").load(text))
