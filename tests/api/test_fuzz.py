"""Every operation with many odd requests: never an error of ours, and every answer as it was described."""

from __future__ import annotations

import json
import random
from typing import Any

import httpx
import pytest

from tests.api.conftest import BOTH, Api
from tests.api.contract import DOCUMENT

SEED = 20
CASES = 12
TEXTS = (
    "",
    " ",
    "ana",
    "support",
    "0",
    "-1",
    "null",
    "x" * 300,
    "\x00",
    "\u202e\ufeff",
    "é\u0301" * 20,
    "日本語 العربية हिन्दी 👩‍👩‍👧",
    "<script>alert(1)</script>",
    "' OR ''='",
    "%s%n{0}",
    "../../etc/passwd",
    "a@b.c",
    "+31612345678",
    "2026-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
)
ODD: tuple[Any, ...] = (None, True, 0, -1, 1.5, 2**63, 10**30, [], {}, [[]], {"a": {"b": 1}}, *TEXTS)


def resolved(item: dict[str, Any]) -> dict[str, Any]:
    """What a reference stands for."""
    if "$ref" in item:
        found: dict[str, Any] = DOCUMENT["components"]["schemas"][item["$ref"].rsplit("/", 1)[-1]]
        return found
    return item


def value(dice: random.Random, item: dict[str, Any], odd: float) -> Any:
    """A value that fits the description, or with a probability of ``odd`` anything at all."""
    item = resolved(item)
    if dice.random() < odd:
        return dice.choice(ODD)
    if "anyOf" in item:
        return value(dice, dice.choice(item["anyOf"]), odd)
    if "enum" in item:
        return dice.choice(item["enum"])
    kind = item.get("type")
    if kind == "object":
        names = [name for name in item["properties"] if name in item.get("required", ()) or dice.random() < 0.6]
        return {name: value(dice, item["properties"][name], odd) for name in names}
    if kind == "array":
        return [value(dice, item["items"], odd) for _ in range(dice.randint(0, 2))]
    if kind == "integer":
        return dice.choice((1, 1, 2, 3, item.get("minimum", 1), item.get("maximum", 5)))
    if kind == "null":
        return None
    return "2026-11-01T10:00:00+01:00" if item.get("format") == "date-time" else dice.choice((*TEXTS, "ana", "lars"))


def plain(given: Any) -> str:
    """A value as it stands in an address or a header."""
    return given if isinstance(given, str) else json.dumps(given)


def request(dice: random.Random, path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    """One request for an operation."""
    odd = dice.choice((0.0, 0.1, 0.5))
    params: list[tuple[str, str]] = []
    headers: dict[str, str] = {}
    for item in operation.get("parameters", ()):
        if item["in"] == "path":
            number = plain(value(dice, item["schema"], odd / 3)).replace("/", "").strip(". ") or "1"
            path = path.replace(f"{{{item['name']}}}", "".join(char for char in number if char.isprintable()) or "1")
        elif dice.random() < 0.3:
            given = value(dice, item["schema"], odd)
            if item["in"] == "header":
                # What a header cannot carry does not get here.
                headers[item["name"]] = plain(given).encode("ascii", "ignore").decode().replace("\x00", "").strip()
            else:
                params += [(item["name"], plain(one)) for one in (given if isinstance(given, list) else [given])]
    asked: dict[str, Any] = {"method": method.upper(), "url": path, "params": params, "headers": headers}
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        asked["content"] = json.dumps(value(dice, schema, odd)).encode()
        headers["Content-Type"] = "application/json"
    return asked


@BOTH
@pytest.mark.parametrize("area", ["tickets", "conversations", "customers", "surveys"])
async def test_no_request_breaks_anything(api: Api, client: httpx.AsyncClient, area: str) -> None:
    """A fixed seed's requests, some right and some wild, for every operation: no 500, and only described answers."""
    dice = random.Random(f"{SEED}{area}")
    talk = await api.office.writes("Ines", "Hello")
    await api.office.buys(talk, "Ines", "555001")
    for _ in range(3):
        await api.office.complains(talk, "broken")
    await api.office.rates(talk, 5)
    await api.office.waits(talk)
    codes = set()
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            if area not in operation["tags"]:
                continue
            for _ in range(CASES):
                answer = await client.request(**request(dice, path, method, operation))
                assert answer.status_code < 500, (method, path, answer.text)
                codes.add(answer.status_code)
    assert 422 in codes and codes & {200, 201}
