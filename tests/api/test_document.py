"""The API's description: current, complete, and readable without a network."""

from __future__ import annotations

import json
import re

import httpx
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from bot.__main__ import cli
from bot.api import PATH, schema
from bot.services.api_tokens import SCOPES
from bot.services.events import TYPES
from tests.api.conftest import Api
from tests.api.contract import DOCUMENT
from tests.conftest import ROOT


def test_the_published_description_is_current() -> None:
    """docs/openapi.json is what `linguadesk api schema` prints; else print it there anew."""
    printed = CliRunner().invoke(cli, ["api", "schema"]).output
    assert printed == (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8")
    assert schema() == DOCUMENT


def test_every_operation_is_described() -> None:
    """Each has an id of its own, a summary, one scope, and the refusals that it can answer with."""
    operations = [item for path in DOCUMENT["paths"].values() for item in path.values()]
    assert len({item["operationId"] for item in operations}) == len(operations) > 20
    for item in operations:
        assert item["summary"] and item["description"]
        ((needed,),) = (need["token"] for need in item["security"])
        assert needed in SCOPES
        assert {"401", "403", "429", "503"} < set(item["responses"])
    for model in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(model)
    assert DOCUMENT["openapi"].startswith("3.1") and set(DOCUMENT["webhooks"]) == set(TYPES)


def test_every_operation_scope_and_event_is_in_the_guide() -> None:
    """docs/api.md and docs/webhooks.md name everything that there is."""
    guide = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for path, operations in DOCUMENT["paths"].items():
        for method in operations:
            assert re.search(rf"`{method.upper()} {re.escape(path)}`", guide), (method, path)
    for scope in SCOPES:
        assert f"`{scope}`" in guide
    told = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    assert all(f"`{kind}`" in told for kind in TYPES)


async def test_the_reference_needs_no_network_and_no_key(api: Api) -> None:
    """Both pages are open to all; the one for people loads nothing and runs nothing."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api.office.app), base_url="http://desk.test") as client:
        document = await client.get(f"{PATH}/openapi.json")
        page = await client.get(f"{PATH}/docs")
    assert document.json() == DOCUMENT
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert not re.search(r"<script|<link|<img|https?://", page.text)
    for path in DOCUMENT["paths"]:
        assert f"{PATH}{path}" in page.text
    assert json.dumps(DOCUMENT).count("$ref") > 50 and "$ref" not in page.text
