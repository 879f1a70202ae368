"""Holds every answer of the API to its published description."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from bot.api import PATH
from tests.conftest import ROOT

DOCUMENT: dict[str, Any] = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
_REGISTRY: Registry[Any] = Registry().with_resource("urn:api", Resource(DOCUMENT, DRAFT202012))


def _operation(method: str, path: str) -> dict[str, Any] | None:
    """What the description says of a call; None for an address that it does not know."""
    for template, operations in DOCUMENT["paths"].items():
        pattern = re.sub(r"\{[a-z_]+\}", "[^/]+", template)
        if re.fullmatch(re.escape(PATH) + pattern, path):
            found: dict[str, Any] | None = operations.get(method.lower())
            return found
    return None


def _resolved(item: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in item:
        return item
    return _REGISTRY.resolver("urn:api").lookup("urn:api" + item["$ref"]).contents


def check(response: httpx.Response) -> None:
    """Raises AssertionError for an answer that is not as it was described."""
    request = response.request
    operation = _operation(request.method, request.url.path)
    if operation is None:
        assert response.status_code in (404, 405, 413, 415), (request.method, request.url.path, response.status_code)
        assert response.headers["content-type"] == "application/problem+json"
        return
    said = f"{request.method} {request.url.path}: {response.status_code} {response.text[:500]}"
    assert str(response.status_code) in operation["responses"], f"undescribed: {said}"
    described = _resolved(operation["responses"][str(response.status_code)])
    kind = response.headers["content-type"].partition(";")[0]
    assert list(described["content"]) == [kind], said
    pointer = described["content"][kind]["schema"]
    # References are looked up in the document, whose address they are given.
    schema = json.loads(json.dumps(pointer).replace('"#/', '"urn:api#/'))
    errors = list(Draft202012Validator(schema, registry=_REGISTRY).iter_errors(response.json()))
    assert not errors, (said, [error.message for error in errors])


async def checking(response: httpx.Response) -> None:
    """An event hook of httpx: every answer is checked."""
    await response.aread()
    check(response)
