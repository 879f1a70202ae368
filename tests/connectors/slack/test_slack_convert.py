"""Slack's two conversions, on complete objects as Slack sends them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.contracts import Address, Attachment, Inbound, Kind, Media, OutButton, Outgoing
from connectors.slack.client import PATH
from connectors.slack.convert import after_press, escape, plain, to_inbound, to_payload, unescape

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "tests" / "fixtures" / "slack"
ANA = "U2147483697"
DIRECT = Address("slack", ANA, ANA)
THREAD = Address("slack", "C0LAN2Q65", "U2147483697", "1763751601.000300")


def fixture(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return body


@pytest.mark.parametrize(
    ("name", "address", "text"),
    [
        ("direct_message", DIRECT, "¿Dónde está mi pedido 100234?"),
        (
            "direct_message_with_markup",
            DIRECT,
            "I am ana@example.com, +34 600 123 456 & I saw https://shop.example/a?b=1&c=2 in #general <3",
        ),
        ("direct_message_in_thread", DIRECT, "and this one?"),
        ("direct_message_with_file", DIRECT, "The box arrived crushed"),
        ("mention", THREAD, "where is order 100234?"),
        ("mention_in_thread", THREAD, "@U0OTHER001 says 100235"),
    ],
)
def test_what_is_written_to_the_bot_becomes_an_event(name: str, address: Address, text: str) -> None:
    """Direct messages are one conversation; a mention is answered in its thread, without the mention."""
    body = fixture(name)
    event = to_inbound(body)
    assert event is not None
    assert (event.external_id, event.address, event.text, event.payload) == (body["event_id"], address, text, "")
    assert (event.kind, event.message_id) == (Kind.MESSAGE, body["event"]["ts"])


@pytest.mark.parametrize(
    ("name", "address"),
    [("button", DIRECT), ("button_in_thread", THREAD), ("button_under_which_a_thread_began", DIRECT)],
)
def test_a_pressed_button_becomes_an_event(name: str, address: Address) -> None:
    """A press carries payload and title, and an id that is the same whenever Slack tells of it."""
    body = fixture(name)
    event = to_inbound(body)
    assert event is not None
    assert event.address == address
    assert (event.payload, event.text, event.name) == ("/affirm", "Yes & refund", "ana.torres")
    assert event.external_id == f"{body['channel']['id']}:1763751700.000500:1763751710.123456:U2147483697"


@pytest.mark.parametrize(
    "name",
    [
        "own_message",
        "other_bot",
        "channel_message",
        "url_verification",
        "view_closed",
    ],
)
def test_what_is_not_for_the_bot_is_left_alone(name: str) -> None:
    """Bots, changes, and talk in a channel without a mention give no event."""
    assert to_inbound(fixture(name)) is None


def test_an_edit_names_the_message_and_its_new_words() -> None:
    """The person's own change of words, in the conversation that the message is in."""
    body = fixture("message_changed")
    words = "¿Dónde está mi pedido 100235?"
    assert to_inbound(body) == Inbound(body["event_id"], DIRECT, words, kind=Kind.EDIT, message_id="1763751600.000200")


@pytest.mark.parametrize("case", ["preview", "preview without the message before", "own message"])
def test_a_change_that_changes_no_words_of_the_customers_is_left_alone(case: str) -> None:
    """Slack also tells of previews that it adds, and of the bot's own messages."""
    body = fixture("message_changed")
    event = body["event"]
    if case == "own message":
        event["message"] |= {"user": "U0BOTLING1", "bot_id": "B0BOTLING1"}
    else:
        event["message"]["text"] = event["previous_message"]["text"]
    if case == "preview without the message before":
        del event["previous_message"], event["message"]["edited"]
    assert to_inbound(body) is None


@pytest.mark.parametrize("gravestone", [False, True])
def test_a_deletion_names_the_message(gravestone: bool) -> None:
    """A message that has replies leaves a gravestone of Slack's; that is a deletion too."""
    body = fixture("message_deleted")
    event = body["event"]
    if gravestone:
        del event["deleted_ts"]
        event["subtype"] = "message_changed"
        event["message"] = {"subtype": "tombstone", "user": "USLACKBOT", "ts": event["previous_message"]["ts"]}
    assert to_inbound(body) == Inbound(body["event_id"], DIRECT, kind=Kind.DELETION, message_id="1763751600.000200")


def test_an_edited_mention_is_an_edit() -> None:
    """Slack sends app_mention once more, with another event id, when the person edits the mention."""
    body = fixture("mention")
    body["event"]["edited"] = {"user": ANA, "ts": "1763751650.000000"}
    event = to_inbound(body)
    assert event is not None
    assert (event.kind, event.message_id) == (Kind.EDIT, body["event"]["ts"])


def test_every_fixture_is_named_in_a_test() -> None:
    """A recorded event without an expectation would prove nothing."""
    source = Path(__file__).read_text(encoding="utf-8")
    assert [path.stem for path in FIXTURES.glob("*.json") if f'"{path.stem}"' not in source] == []


def test_files_are_attachments() -> None:
    """A file keeps its private address, name, type and size."""
    event = to_inbound(fixture("direct_message_with_file"))
    assert event is not None
    url = "https://files.slack.com/files-pri/T061EG9R6-F0RDC39U1/box.jpg"
    assert event.attachments == (Attachment("photo", url, "box.jpg", "image/jpeg", 182044),)


def test_a_mention_without_authorizations_is_still_stripped() -> None:
    """Where Slack does not say who the bot is, the first mention of an app_mention is the bot's."""
    body = fixture("mention")
    del body["authorizations"]
    event = to_inbound(body)
    assert event is not None
    assert event.text == "where is order 100234?"


@pytest.mark.parametrize(
    ("markup", "shown"),
    [
        ("&amp;lt; stays &lt;", "&lt; stays <"),
        ("<https://x.example|a page>", "a page"),
        ("<!here> <!subteam^S1|@helpers> <@U1|ana>", "@here @helpers @ana"),
        ("<mailto:a@b.example>", "a@b.example"),
        ("5 &gt; 3", "5 > 3"),
    ],
)
def test_markup_is_read_as_people_see_it(markup: str, shown: str) -> None:
    """Links, mentions and escapes become what stands on the screen, each escape undone once."""
    assert unescape(markup) == shown


@pytest.mark.parametrize("text", ["a & b < c > d", "&amp;", "<@U1> &lt;", "no sign at all é 😀"])
def test_only_three_signs_are_escaped(text: str) -> None:
    """Escaping is undone by reading, so a customer's ``<@U1>`` cannot call anybody."""
    assert unescape(escape(text)) == text
    assert escape("*_~`|@#!") == "*_~`|@#!"


def outgoing(text: str = "Hi", **fields: Any) -> Outgoing:
    return Outgoing(id=42, address=fields.pop("address", DIRECT), text=text, language="en", **fields)


def sections(calls: list[dict[str, Any]]) -> list[str]:
    blocks = [block for call in calls for block in call["params"].get("blocks", ())]
    return [block["text"]["text"] for block in blocks if block["type"] == "section"]


def test_a_text_is_one_message_with_a_fallback() -> None:
    """The words are in a section, and in ``text`` for notifications and screen readers."""
    assert to_payload(outgoing("Tom & <Ana>")) == [
        {
            "method": "chat.postMessage",
            "params": {
                "channel": ANA,
                "text": "Tom &amp; &lt;Ana&gt;",
                "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "Tom &amp; &lt;Ana&gt;"}}],
            },
        }
    ]


def test_a_thread_is_answered_in_the_thread() -> None:
    """Texts and files go to the thread of the address."""
    calls = to_payload(outgoing(address=THREAD, media=(Media("a.pdf", "a.pdf"),)))
    assert [call["params"]["thread_ts"] for call in calls] == ["1763751601.000300"] * 2


def test_buttons_carry_their_payload() -> None:
    """Every button has its own id; titles are cut to 75 and carry no markup."""
    buttons = (OutButton("Yes", "/affirm"), OutButton("x" * 80, "/deny"), OutButton("Nothing", ""))
    (call,) = to_payload(outgoing(buttons=buttons, quick_replies=(OutButton("Help", "/ask_help"),)))
    elements = call["params"]["blocks"][-1]["elements"]
    assert [element.get("value") for element in elements] == ["/affirm", "/deny", None, "/ask_help"]
    assert len({element["action_id"] for element in elements}) == 4
    assert [len(element["text"]["text"]) for element in elements] == [3, 75, 7, 4]
    assert call["params"]["text"] == "Hi"


def test_many_buttons_fill_several_blocks_and_the_rest_is_numbered() -> None:
    """25 to a block, 100 to a message; what does not fit, by number or by size, becomes a line."""
    orders = (OutButton(f"Order {n}", f"/o{n}") for n in range(1, 102))
    buttons = (*orders, OutButton("Big", "/" + "x" * 2000))
    (call,) = to_payload(outgoing(buttons=buttons))
    blocks = [block for block in call["params"]["blocks"] if block["type"] == "actions"]
    assert [len(block["elements"]) for block in blocks] == [25] * 4
    assert len({block["block_id"] for block in blocks}) == 4
    assert sections([call])[-1].endswith("101. Order 101\n102. Big")


def test_a_long_text_is_cut_between_words_and_nothing_is_lost() -> None:
    """Sections hold at most 3000 characters after escaping, and no escape is cut in two."""
    text = " ".join(f"a<{n}>&b😀" for n in range(4000))
    calls = to_payload(outgoing(text, buttons=(OutButton("Ok", "/affirm"),)))
    parts = sections(calls)
    assert len(calls) > 1
    assert all(len(part.encode("utf-16-le")) // 2 <= 3000 for part in parts)
    assert unescape(" ".join(parts)).split() == text.split()
    assert all(len(call["params"]["text"]) <= 40_000 for call in calls)
    actions = [any(block["type"] == "actions" for block in call["params"]["blocks"]) for call in calls]
    assert actions == [False] * (len(calls) - 1) + [True]


def test_files_follow_the_text() -> None:
    """Each file is an upload of its own, by its path below the files folder."""
    media = (Media("a.pdf", "one.pdf"), Media("b.pdf", "two.pdf"))
    calls = to_payload(outgoing("Here", media=media))
    assert [call["method"] for call in calls] == ["chat.postMessage", "files_upload_v2", "files_upload_v2"]
    assert calls[1]["params"] == {"channel": ANA, "file": "a.pdf", "filename": "one.pdf"}


def test_an_empty_text_is_never_sent() -> None:
    """Slack refuses it: nothing is sent, or a sign above the buttons, or the file alone."""
    assert to_payload(outgoing(" \n")) == []
    assert sections(to_payload(outgoing("", buttons=(OutButton("Ok", "/affirm"),)))) == ["…"]
    assert [call["method"] for call in to_payload(outgoing("", media=(Media("a", "a"),)))] == ["files_upload_v2"]


def test_the_plain_form_numbers_the_choices() -> None:
    """When Slack refuses the blocks, the choices are lines that can be answered by number."""
    message = outgoing("Which <one>?", buttons=(OutButton("First & last", "/a"), OutButton("Second", "/b")))
    text = "Which &lt;one&gt;?\n\n1. First &amp; last\n2. Second"
    expected = {"method": "chat.postMessage", "params": {"channel": ANA, "text": text}}
    assert plain(to_payload(message)[0], message) == expected


def test_after_a_press_the_choice_stands_in_place_of_the_buttons() -> None:
    """The message keeps its words, loses its buttons and shows what was chosen."""
    call = after_press(fixture("button"))
    assert call is not None
    assert call["method"] == "chat.update"
    assert (call["params"]["channel"], call["params"]["ts"]) == ("D024BE91L", "1763751700.000500")
    assert [block["type"] for block in call["params"]["blocks"]] == ["section", "context"]
    assert call["params"]["blocks"][-1]["elements"][0]["text"] == "✓ Yes &amp; refund"
    assert call["params"]["text"] == "Cancel order 100234 &amp; refund it?\n✓ Yes &amp; refund"


def test_a_message_that_only_one_person_sees_is_not_updated() -> None:
    """chat.update does not reach ephemeral messages."""
    body = fixture("button")
    body["container"]["is_ephemeral"] = True
    assert after_press(body) is None


@pytest.mark.parametrize(("asks", "form"), [("order_number", "form_order"), ("complaint_type", "form_complaint")])
def test_a_question_with_a_form_has_a_button_for_it(asks: str, form: str) -> None:
    """Below the choices, in the message's language; a question without a form has none."""
    message = outgoing("Which?", asks=asks, buttons=(OutButton("Late", "/inform"),))
    (call,) = to_payload(message)
    assert [element["action_id"] for block in call["params"]["blocks"][1:] for element in block["elements"]] == [
        "choice_42_1",
        form,
    ]
    assert call["params"]["blocks"][-1]["elements"][0]["text"]["text"] == "Fill in a form"
    (without,) = to_payload(outgoing("Which?", asks="photo"))
    assert [block["type"] for block in without["params"]["blocks"]] == ["section"]


def test_the_plain_form_of_a_question_has_no_trace_of_the_form() -> None:
    """Without blocks there is no button for a form, and no list of no choices."""
    message = outgoing("Which?", asks="order_number")
    assert plain(to_payload(message)[0], message)["params"]["text"] == "Which?"


def test_the_guide_names_the_address_that_is_served() -> None:
    """What the guide tells to enter at Slack is the route of the code."""
    assert PATH in (ROOT / "docs" / "slack.md").read_text(encoding="utf-8")
