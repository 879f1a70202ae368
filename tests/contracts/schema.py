"""The platforms' own types as JSON Schemas, made by ``schemas/make.mjs``."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

SCHEMAS = Path(__file__).parent / "schemas"


@functools.cache
def _definitions(platform: str) -> dict[str, Any]:
    path = SCHEMAS / f"{platform}.json"
    definitions: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["$defs"] if path.exists() else {}
    return definitions


@functools.cache
def _validator(platform: str, definition: str) -> Draft202012Validator:
    definitions = _definitions(platform)
    assert f"@{definition}" in definitions, f"add {definition} to schemas/types.ts and run make.mjs"
    return Draft202012Validator({"$ref": f"#/$defs/@{definition}", "$defs": definitions})


def known(platform: str) -> set[str]:
    """The names of the definitions that can be checked; none where a platform offers no types."""
    return {name[1:] for name in _definitions(platform) if name.startswith("@")}


def complaint(platform: str, definition: str, value: Any) -> str:
    """What the platform's types say against a value, with where; ``""`` if nothing."""
    error = best_match(_validator(platform, definition).iter_errors(value))
    if error is None:
        return ""
    error = _innermost(error)
    place = ".".join(str(step) for step in error.absolute_path)
    return f"{definition}: {place or 'the whole'}: {error.message[-300:]}"


def _innermost(error: ValidationError) -> ValidationError:
    """Of the alternatives that a value fits none of, the complaint of the one that it fits best."""
    while error.context:
        branches: dict[Any, list[ValidationError]] = {}
        for inner in error.context:
            branches.setdefault(inner.schema_path[0], []).append(inner)
        # Another alternative differs in its constant, such as the type; the meant one in what is wrong.
        meant = [inner for inner in branches.values() if not any(each.validator in {"const", "enum"} for each in inner)]
        chosen = min(meant or list(branches.values()), key=lambda inner: (-max(map(_depth, inner)), len(inner)))
        error = max(chosen, key=_depth)
    return error


def _depth(error: ValidationError) -> int:
    return len(error.absolute_path)
