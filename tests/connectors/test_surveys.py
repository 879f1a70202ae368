"""The scales of surveys as each platform shows them: every number can be pressed, or typed where it cannot."""

from __future__ import annotations

import pytest

from bot.contracts import Address, Author, OutButton, Outgoing
from connectors.slack import convert as slack
from connectors.telegram import convert as telegram
from connectors.whatsapp import convert as whatsapp


def question(low: int, high: int, channel: str, chat: str = "34600123456") -> Outgoing:
    """A survey's question."""
    numbers = [
        OutButton(str(score), f'/inform{{"rating": "{score}", "survey": "12"}}') for score in range(low, high + 1)
    ]
    later = OutButton("Not now", '/inform{"rating": "later", "survey": "12"}')
    return Outgoing(7, Address(channel, chat, chat), "How was it?", "en", Author.SURVEY, (*numbers, later))


@pytest.mark.parametrize(("low", "high", "rows"), [(1, 5, [5, 1]), (1, 7, [7, 1]), (0, 10, [6, 5, 1])])
def test_telegram_shows_a_scale_in_rows(low: int, high: int, rows: list[int]) -> None:
    """The numbers side by side in one row or two, "not now" below them."""
    (call,) = telegram.to_payload(question(low, high, "telegram"))
    keyboard = call["params"]["reply_markup"]["inline_keyboard"]
    assert [len(row) for row in keyboard] == rows
    shown = [button["text"] for row in keyboard for button in row]
    assert shown == [*map(str, range(low, high + 1)), "Not now"]
    assert all(len(button["callback_data"].encode()) <= 64 for row in keyboard for button in row)


@pytest.mark.parametrize(("low", "high"), [(1, 5), (1, 7), (0, 10)])
def test_slack_shows_every_number(low: int, high: int) -> None:
    """In blocks of as many buttons as Slack takes, in their order."""
    (call,) = slack.to_payload(question(low, high, "slack", "D1"))
    blocks = [block for block in call["params"]["blocks"] if block["type"] == "actions"]
    shown = [element["text"]["text"] for block in blocks for element in block["elements"]]
    assert shown == [*map(str, range(low, high + 1)), "Not now"]
    assert all(len(block["elements"]) <= 25 for block in blocks)


@pytest.mark.parametrize(("low", "high"), [(1, 5), (1, 7)])
def test_whatsapp_shows_short_scales_as_a_list(low: int, high: int) -> None:
    """Up to ten rows, each with its number as the title."""
    (part,) = whatsapp.to_payload(question(low, high, "whatsapp"), "Choose")
    rows = part.body["interactive"]["action"]["sections"][0]["rows"]
    assert [row["title"] for row in rows] == [*map(str, range(low, high + 1)), "Not now"]


def test_whatsapp_has_eleven_numbers_typed() -> None:
    """More than a list takes: the numbers stand in the text as they are typed, never "1. 0"."""
    (part,) = whatsapp.to_payload(question(0, 10, "whatsapp"), "Choose")
    assert part.body["text"]["body"] == "How was it?\n\n0 · 1 · 2 · 3 · 4 · 5 · 6 · 7 · 8 · 9 · 10 · Not now"
