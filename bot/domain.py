"""``domain.yml``: intents, entities, slots, forms, actions and the English responses.

The file is Rasa's domain format (3.1); as in Rasa, a folder ``domain/`` of such files serves as well.
Of it this product uses what its own dialogue needs; the rest stays valid for Rasa. Every complaint
names the line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from bot.config import ConfigError, Problem, line_of, load_yaml

FILE = "domain.yml"
PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Slot:
    """How a slot is filled.

    ``entities`` fill it wherever they occur; ``from_text_of`` are the intents whose whole first
    message fills it; ``from_text_in`` are the forms in which an answer to its question fills it.
    """

    name: str
    entities: tuple[str, ...] = ()
    from_text_of: tuple[str, ...] = ()
    from_text_in: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Variant:
    """One wording of a response; ``plural`` is the CLDR category it is for, of parameter ``by``."""

    text: str
    buttons: tuple[tuple[str, str], ...] = ()
    plural: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """All English wordings of one text key."""

    key: str
    variants: tuple[Variant, ...]
    line: int

    @property
    def plural_by(self) -> str:
        """The parameter that decides the plural form, or ``""``."""
        return self.variants[0].by

    @property
    def placeholders(self) -> frozenset[str]:
        """The parameters its wordings name."""
        return frozenset(name for variant in self.variants for name in PLACEHOLDER.findall(variant.text))


@dataclass(frozen=True, slots=True)
class Domain:
    """The whole domain, validated."""

    intents: tuple[str, ...]
    entities: tuple[str, ...]
    slots: Mapping[str, Slot]
    forms: Mapping[str, tuple[str, ...]]
    actions: tuple[str, ...]
    responses: Mapping[str, Response]
    document: Any = field(repr=False, compare=False)

    def form_of(self, intent: str) -> tuple[str, ...]:
        """The slots to ask for before the intent's action runs, in order."""
        return self.forms.get(f"{intent}_form", ())


def domain_files(home: Path) -> tuple[Path, ...]:
    """``domain.yml``; or, where there is none, all files of the folder ``domain/`` if there is one."""
    folder = home / "domain"
    if (home / FILE).is_file() or not folder.is_dir():
        return (home / FILE,)
    return tuple(sorted(path for path in folder.rglob("*.y*ml") if path.suffix in (".yml", ".yaml")))


def _names(document: CommentedMap, section: str, problems: list[Problem], file: str = FILE) -> tuple[str, ...]:
    """The names in a list whose items are strings or one-key mappings (Rasa allows both)."""
    items = document.get(section) or []
    if not isinstance(items, CommentedSeq | list):
        problems.append(Problem(file, line_of(document, section), f"`{section}` must be a list of names"))
        return ()
    names = []
    for index, item in enumerate(items):
        name = next(iter(item), None) if isinstance(item, CommentedMap) else item
        if not isinstance(name, str):
            problems.append(Problem(file, line_of(document, section, index), f"`{section}` holds {name!r}, not a name"))
        elif name in names:
            problems.append(Problem(file, line_of(document, section, index), f"`{name}` stands twice in `{section}`"))
        else:
            names.append(name)
    return tuple(names)


def _slot(name: str, spec: Any) -> Slot:
    entities: list[str] = []
    texts_of: list[str] = []
    texts_in: list[str] = []
    for mapping in (spec or {}).get("mappings") or ():
        if mapping.get("type") == "from_entity":
            entities.append(mapping.get("entity", name))
        elif mapping.get("type") == "from_text":
            intents = mapping.get("intent") or []
            texts_of.extend([intents] if isinstance(intents, str) else intents)
            texts_in.extend(
                str(item["active_loop"]) for item in mapping.get("conditions") or () if "active_loop" in item
            )
    return Slot(name, tuple(entities), tuple(texts_of), tuple(texts_in))


def _response(key: str, items: Any, line: int, problems: list[Problem], file: str = FILE) -> Response | None:
    variants = []
    for item in items if isinstance(items, list) else ():
        if not isinstance(item, dict) or not isinstance(item.get("text"), str):
            problems.append(Problem(file, line, f"a wording of `{key}` has no `text`"))
            continue
        buttons = tuple((str(button["title"]), str(button["payload"])) for button in item.get("buttons") or ())
        metadata = item.get("metadata") or {}
        variants.append(Variant(item["text"], buttons, metadata.get("plural", ""), metadata.get("by", "")))
    if not variants:
        problems.append(Problem(file, line, f"`{key}` has no wording; write `- text: …` below it"))
        return None
    return Response(key, tuple(variants), line)


def _cross_check(domain: Domain) -> list[Problem]:
    document = domain.document
    problems = []
    for form, slots in domain.forms.items():
        for slot in slots:
            if slot not in domain.slots:
                message = f"the form `{form}` asks for `{slot}`, which is not among `slots`"
                problems.append(Problem(FILE, line_of(document, "forms", form), message))
        if not form.endswith("_form"):
            message = f"`{form}` must be called after an intent: <intent>_form"
            problems.append(Problem(FILE, line_of(document, "forms", form), message))
    for declared in domain.slots.values():
        for entity in declared.entities:
            if entity not in domain.entities:
                message = f"the slot `{declared.name}` is filled from `{entity}`, which is not among `entities`"
                problems.append(Problem(FILE, line_of(document, "slots", declared.name), message))
        for intent in declared.from_text_of:
            if intent not in domain.intents:
                message = f"the slot `{declared.name}` is filled by `{intent}`, which is not among `intents`"
                problems.append(Problem(FILE, line_of(document, "slots", declared.name), message))
    for index, action in enumerate(domain.actions):
        intent = action.removeprefix("action_")
        if intent not in domain.intents and f"{intent}_form" not in domain.forms:
            message = f"`{action}` belongs to no intent; add `{intent}` to `intents` or remove the action"
            problems.append(Problem(FILE, line_of(document, "actions", index), message))
    return problems


def _read(path: Path, file: str, problems: list[Problem]) -> Domain:
    """What one file declares; ``file`` is its name in complaints."""
    document = load_yaml(path, file)
    if not isinstance(document, CommentedMap):
        raise ConfigError(Problem(file, 1, "expected `intents:`, `entities:`, `responses:` …"))
    intents = _names(document, "intents", problems, file)
    entities = _names(document, "entities", problems, file)
    actions = _names(document, "actions", problems, file)
    slots = {name: _slot(name, spec) for name, spec in (document.get("slots") or {}).items()}
    forms = {
        name: tuple((spec or {}).get("required_slots") or ()) for name, spec in (document.get("forms") or {}).items()
    }
    responses = {}
    for key, items in (document.get("responses") or {}).items():
        line = line_of(document, "responses", key)
        if response := _response(key, items, line, problems, file):
            responses[key] = response
    return Domain(intents, entities, slots, forms, actions, responses, document)


def _merged(parts: Sequence[Domain]) -> Domain:
    """Several files as one domain. In which of them a name stands is no longer known."""
    return Domain(
        intents=tuple(dict.fromkeys(name for part in parts for name in part.intents)),
        entities=tuple(dict.fromkeys(name for part in parts for name in part.entities)),
        slots={name: slot for part in parts for name, slot in part.slots.items()},
        forms={name: form for part in parts for name, form in part.forms.items()},
        actions=tuple(dict.fromkeys(name for part in parts for name in part.actions)),
        responses={key: response for part in parts for key, response in part.responses.items()},
        document={},
    )


def load_domain(home: Path) -> Domain:
    """Read and validate ``domain.yml``, or the folder ``domain/``.

    Raises:
        ConfigError: with a problem for each mistake, by file and line.
    """
    problems: list[Problem] = []
    parts = [_read(path, path.relative_to(home).as_posix(), problems) for path in domain_files(home)]
    domain = parts[0] if len(parts) == 1 else _merged(parts)
    if not domain.intents:
        problems.append(Problem(FILE, 1, "there is no intent; list them below `intents:`"))
    problems += _cross_check(domain)
    if problems:
        raise ConfigError(*problems)
    return domain
