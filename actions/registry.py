"""How a function becomes the action of an intent, or the question for a slot."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from bot.engine import Action, Actions, Prompt
from bot.state import ActionSpec

_SPECS = "__linguadesk_actions__"
_PROMPTS = "__linguadesk_prompts__"


def action(
    *intents: str, optional: tuple[str, ...] = (), implied: tuple[str, ...] = (), resumable: bool = True
) -> Callable[[Action], Action]:
    """Register a function as the action of one or more intents.

    Args:
        intents: names from ``domain.yml``.
        optional: slots that the customer may skip with "no".
        implied: slots that are not asked of a verified customer.
        resumable: whether to come back to it after a digression.
    """

    def register(function: Action) -> Action:
        specs = [ActionSpec(intent, frozenset(optional), frozenset(implied), resumable) for intent in intents]
        setattr(function, _SPECS, specs)
        return function

    return register


def prompt(*slots: str) -> Callable[[Prompt], Prompt]:
    """Register a function as the question for slots; it is given the context and the intent."""

    def register(function: Prompt) -> Prompt:
        setattr(function, _PROMPTS, slots)
        return function

    return register


def collect(*modules: ModuleType) -> Actions:
    """What the functions of these modules are registered for.

    Raises:
        ValueError: two functions claim the same intent or slot.
    """
    run: dict[str, Action] = {}
    specs: dict[str, ActionSpec] = {}
    prompts: dict[str, Prompt] = {}
    for module in modules:
        for function in vars(module).values():
            if getattr(function, "__module__", "") != module.__name__:
                continue
            for spec in getattr(function, _SPECS, ()):
                if spec.intent in run:
                    raise ValueError(f"two actions for the intent {spec.intent}")
                run[spec.intent], specs[spec.intent] = function, spec
            for slot in getattr(function, _PROMPTS, ()):
                if slot in prompts:
                    raise ValueError(f"two questions for the slot {slot}")
                prompts[slot] = function
    return Actions(run, specs, prompts)
