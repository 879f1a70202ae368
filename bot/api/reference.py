"""The reference for people: one page made from the OpenAPI document, without scripts and without a network."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

METHODS = ("get", "post", "patch", "put", "delete")


def _resolved(document: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in item:
        found: Any = document
        for step in item["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        item = found
    return item


def type_of(item: dict[str, Any]) -> str:
    """What a value must be, in a few words: ``text``, ``list of TicketStatus``, ``number or null``."""
    if "$ref" in item:
        return str(item["$ref"]).rsplit("/", 1)[-1]
    if "const" in item:
        return f"“{item['const']}”"
    for key in ("anyOf", "oneOf", "allOf"):
        if key in item:
            return " or ".join(dict.fromkeys(type_of(one) for one in item[key]))
    if item.get("type") == "array":
        return f"list of {type_of(item.get('items', {}))}"
    if "enum" in item:
        return " | ".join(map(str, item["enum"]))
    names = {"string": "text", "integer": "number", "number": "number", "boolean": "yes or no", "null": "null"}
    kind = names.get(str(item.get("type", "")), str(item.get("type", "anything")))
    if item.get("format") == "date-time":
        kind = "time"
    return f"{kind}, at most {item['maxLength']} characters" if "maxLength" in item else kind


def fields_of(document: dict[str, Any], item: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields of an object, for a table."""
    model = _resolved(document, item)
    needed = model.get("required", ())
    return [
        {"name": name, "type": type_of(value), "required": name in needed, "about": value.get("description", "")}
        for name, value in model.get("properties", {}).items()
    ]


def _operation(document: dict[str, Any], path: str, method: str, given: dict[str, Any]) -> dict[str, Any]:
    body = given.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    answers = []
    for status, answer in sorted(given["responses"].items()):
        resolved = _resolved(document, answer)
        shown = next((kind["schema"] for kind in resolved.get("content", {}).values()), None)
        answers.append({"status": status, "about": resolved["description"], "type": type_of(shown) if shown else ""})
    scopes = [scope for need in given.get("security", ()) for needed in need.values() for scope in needed]
    return {
        "id": given["operationId"],
        "tags": given["tags"],
        "method": method.upper(),
        "path": path,
        "summary": given.get("summary", ""),
        "about": given.get("description", ""),
        "scopes": scopes,
        "parameters": [
            {
                "name": item["name"],
                "in": item["in"],
                "type": type_of(item["schema"]),
                "required": item.get("required", False),
                "about": item.get("description", "") or item["schema"].get("description", ""),
            }
            for item in given.get("parameters", ())
        ],
        "body": type_of(body) if body else "",
        "fields": fields_of(document, body) if body else [],
        "answers": answers,
    }


def page(document: dict[str, Any]) -> str:
    """The whole reference as HTML."""
    operations = [
        _operation(document, path, method, given)
        for path, methods in document["paths"].items()
        for method, given in methods.items()
        if method in METHODS
    ]
    groups = [(tag, [item for item in operations if tag["name"] in item["tags"]]) for tag in document["tags"]]
    models = [
        {
            "name": name,
            "about": model.get("description", ""),
            "values": model.get("enum", []),
            "fields": fields_of(document, model),
        }
        for name, model in sorted(document["components"]["schemas"].items())
    ]
    templates = Environment(
        loader=PackageLoader("bot.api"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    told = [(kind, item["post"]["summary"]) for kind, item in document["webhooks"].items()]
    return templates.get_template("reference.html").render(document=document, groups=groups, models=models, told=told)
