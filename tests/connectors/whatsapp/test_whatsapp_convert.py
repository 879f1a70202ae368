"""Webhooks to events, messages to requests: what the platform sends, and what it takes."""

from __future__ import annotations

from typing import Any

import pytest

from bot.contracts import Address, Attachment, Inbound, Kind, Media, OutButton, Outgoing
from connectors.common import utf16_length
from connectors.whatsapp.convert import failed, in_template, plain, reference, to_inbound, to_payload, troubles
from tests.fakes.whatsapp_server import NUMBER_ID, contact, webhook

ANA = "34600111222"
WAMID = "wamid.HBgLMzQ2MDAxMTEyMjIVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA="
EARLIER = "wamid.HBgLMzQ2MDAxMTEyMjIVAgARGBI1QjJGRjI1RDY0RkE4Nzg4QzcA"
HERE = Address("whatsapp", ANA, ANA)


def received(content: dict[str, Any], **fields: Any) -> Inbound:
    """The one event of a complete webhook with one message."""
    message = {"from": ANA, "id": WAMID, "timestamp": "1749416383"} | content
    (event,) = to_inbound(webhook(messages=[message], contacts=[contact(ANA)], **fields), NUMBER_ID)
    return event


def event(**fields: Any) -> Inbound:
    """An event of Ana's."""
    common: dict[str, Any] = {"external_id": WAMID, "address": HERE, "name": "Ana Torres", "message_id": WAMID}
    return Inbound(**common | fields)


def outgoing(text: str = "Hi", address: Address = HERE, **fields: Any) -> Outgoing:
    return Outgoing(7, address, text, "en", **fields)


def buttons(*titles: str, payload: str = "/choose") -> tuple[OutButton, ...]:
    return tuple(OutButton(title, f'{payload}{{"n": {number}}}') for number, title in enumerate(titles))


# What comes in

FILE = {"sha256": "29ed500fa64eb55fc19dc4124acb300e5dcca0f822a301ae99944db", "id": "1003383421387256"}
KNOWN = [
    pytest.param({"type": "text", "text": {"body": "Where is it?"}}, event(text="Where is it?"), id="text"),
    pytest.param(
        {
            "context": {"from": "15550783881", "id": EARLIER},
            "type": "text",
            "text": {"body": "This one"},
        },
        event(text="This one"),
        id="reply",
    ),
    pytest.param(
        {"type": "button", "button": {"payload": "/affirm", "text": "Yes"}, "context": {"id": EARLIER}},
        event(text="Yes", payload="/affirm"),
        id="button of a template",
    ),
    pytest.param(
        {"type": "button", "button": {"payload": "Yes", "text": "Yes"}},
        event(text="Yes"),
        id="button of somebody's template",
    ),
    pytest.param(
        {
            "context": {"from": "15550783881", "id": EARLIER},
            "type": "interactive",
            "interactive": {"type": "button_reply", "button_reply": {"id": '/rate{"score": 5}', "title": "Great"}},
        },
        event(text="Great", payload='/rate{"score": 5}'),
        id="button",
    ),
    pytest.param(
        {
            "type": "interactive",
            "interactive": {
                "type": "list_reply",
                "list_reply": {
                    "id": "#12:3",
                    "title": "100236 · Tea set, 2 cu…",
                    "description": "100236 · Tea set, 2 cups",
                },
            },
        },
        event(text="100236 · Tea set, 2 cups", payload="#12:3"),
        id="row of a list",
    ),
    pytest.param(
        {
            "type": "interactive",
            "interactive": {"type": "nfm_reply", "nfm_reply": {"response_json": "{}", "body": "Sent", "name": "flow"}},
        },
        event(shown="❔"),
        id="flow",
    ),
    pytest.param(
        {"type": "image", "image": {"caption": "Broken", "mime_type": "image/jpeg"} | FILE},
        event(text="Broken", attachments=(Attachment("photo", FILE["id"], "photo.jpg", "image/jpeg"),)),
        id="photo",
    ),
    pytest.param(
        {"type": "document", "document": {"filename": "bill.pdf", "mime_type": "application/pdf"} | FILE},
        event(attachments=(Attachment("document", FILE["id"], "bill.pdf", "application/pdf"),)),
        id="document",
    ),
    pytest.param(
        {"type": "audio", "audio": {"mime_type": "audio/ogg; codecs=opus", "voice": True} | FILE},
        event(attachments=(Attachment("voice", FILE["id"], "voice.ogg", "audio/ogg"),)),
        id="voice",
    ),
    pytest.param(
        {"type": "audio", "audio": {"mime_type": "audio/mpeg", "voice": False} | FILE},
        event(attachments=(Attachment("audio", FILE["id"], "audio.mp3", "audio/mpeg"),)),
        id="audio",
    ),
    pytest.param(
        {"type": "video", "video": {"mime_type": "video/mp4"} | FILE},
        event(attachments=(Attachment("video", FILE["id"], "video.mp4", "video/mp4"),)),
        id="video",
    ),
    pytest.param(
        {"type": "sticker", "sticker": {"mime_type": "image/webp", "animated": False} | FILE},
        event(attachments=(Attachment("sticker", FILE["id"], "sticker.webp", "image/webp"),)),
        id="sticker",
    ),
    pytest.param(
        {
            "type": "location",
            "location": {
                "latitude": 52.37,
                "longitude": 4.89,
                "name": "Shop",
                "address": "Dam 1",
                "url": "https://s.nl",
            },
        },
        event(shown="📍 Shop, Dam 1 (52.37, 4.89)"),
        id="place",
    ),
    pytest.param(
        {"type": "location", "location": {"latitude": 52.37, "longitude": 4.89}},
        event(shown="📍 52.37, 4.89"),
        id="location",
    ),
    pytest.param(
        {
            "type": "contacts",
            "contacts": [
                {
                    "name": {"first_name": "Li", "last_name": "Wei", "formatted_name": "Li Wei"},
                    "org": {"company": "Lotus"},
                    "phones": [{"phone": "+86 138 0013 8000", "wa_id": "8613800138000", "type": "MOBILE"}],
                }
            ],
        },
        event(text="+8613800138000", shown="👤 Li Wei +8613800138000"),
        id="contact",
    ),
    pytest.param(
        {"type": "reaction", "reaction": {"message_id": EARLIER, "emoji": "👍"}},
        event(kind=Kind.REACTION, message_id=EARLIER, text="👍"),
        id="reaction",
    ),
    pytest.param(
        {"type": "reaction", "reaction": {"message_id": EARLIER}},
        event(kind=Kind.REACTION, message_id=EARLIER),
        id="reaction taken off",
    ),
    pytest.param(
        {
            "type": "edit",
            "edit": {
                "original_message_id": EARLIER,
                "message": {"context": {"id": EARLIER}, "type": "text", "text": {"body": "order 100236"}},
            },
        },
        event(kind=Kind.EDIT, message_id=EARLIER, text="order 100236"),
        id="edit",
    ),
    pytest.param(
        {
            "type": "edit",
            "edit": {
                "original_message_id": EARLIER,
                "message": {"type": "image", "image": {"caption": "Two cups", "mime_type": "image/jpeg"} | FILE},
            },
        },
        event(kind=Kind.EDIT, message_id=EARLIER, text="Two cups"),
        id="edit of a caption",
    ),
    pytest.param(
        {"type": "revoke", "revoke": {"original_message_id": EARLIER}},
        event(kind=Kind.DELETION, message_id=EARLIER),
        id="taken back",
    ),
    pytest.param(
        {
            "type": "unsupported",
            "unsupported": {"type": "poll_creation"},
            "errors": [
                {
                    "code": 131051,
                    "title": "Message type unknown",
                    "message": "Message type unknown",
                    "error_data": {"details": "Message type is currently not supported."},
                }
            ],
        },
        event(shown="❔"),
        id="unsupported",
    ),
    pytest.param(
        {"type": "order", "order": {"catalog_id": "194836987003835", "text": "", "product_items": []}},
        event(shown="❔"),
        id="order from a catalogue",
    ),
]


@pytest.mark.parametrize(("content", "expected"), KNOWN)
def test_what_customers_send(content: dict[str, Any], expected: Inbound) -> None:
    """Every kind of message becomes the event that says the same."""
    assert received(content) == expected


def test_a_customer_without_a_number_is_known_by_their_id() -> None:
    """Who hides the number behind a user name is reached by the id that the business has of them."""
    message = {"from_user_id": "US.13491208655302741918", "id": WAMID, "timestamp": "1749416383"}
    profile = {"profile": {"name": "", "username": "ana.t"}, "user_id": "US.13491208655302741918"}
    body = webhook(messages=[message | {"type": "text", "text": {"body": "Hi"}}], contacts=[profile])
    (event,) = to_inbound(body, NUMBER_ID)
    assert event.address == Address("whatsapp", "US.13491208655302741918", "US.13491208655302741918")
    assert event.name == "ana.t"
    (part,) = to_payload(outgoing(address=event.address))
    assert part.body["recipient"] == "US.13491208655302741918"
    assert "to" not in part.body


MOVES = [
    pytest.param(
        {"from": ANA},
        {
            "body": f"User Ana Torres changed from {ANA} to 34600999888",
            "wa_id": "34600999888",
            "type": "user_changed_number",
            "user_id": "ES.2",
            "previous_user_id": "ES.1",
        },
        (ANA, "34600999888"),
        id="number",
    ),
    pytest.param(
        {"from": ANA},
        {"customer": ANA, "new_wa_id": "34600999888", "type": "customer_changed_number", "body": ""},
        (ANA, "34600999888"),
        id="number, the old way",
    ),
    pytest.param(
        {"from_user_id": "ES.2"},
        {"type": "user_changed_user_id", "user_id": "ES.2", "previous_user_id": "ES.1", "body": ""},
        ("ES.1", "ES.2"),
        id="hidden number",
    ),
]


@pytest.mark.parametrize(("sender", "system", "move"), MOVES)
def test_a_new_number_moves_the_chat(sender: dict[str, str], system: dict[str, str], move: tuple[str, str]) -> None:
    """The event is at the old place and names the new one; such webhooks have no contacts."""
    message = sender | {"id": WAMID, "timestamp": "1749416383", "type": "system", "system": system}
    (event,) = to_inbound(webhook(messages=[message]), NUMBER_ID)
    assert (event.kind, event.address, event.text) == (
        Kind.MOVED,
        Address("whatsapp", move[0], move[0]),
        move[1],
    )


SILENT = [
    pytest.param({"type": "system", "system": {"type": "customer_identity_changed", "body": ""}}, id="other phone"),
    pytest.param({"type": "request_welcome"}, id="chat opened"),
    pytest.param({"type": "text", "text": {"body": "Hi all"}, "group_id": "Y2FwaV9ncm91cDox"}, id="group"),
]


@pytest.mark.parametrize("content", SILENT)
def test_what_nobody_said_to_the_shop_is_no_event(content: dict[str, Any]) -> None:
    """The platform's own notices, and talk in groups, are left alone."""
    message = {"from": ANA, "id": WAMID, "timestamp": "1749416383"} | content
    assert to_inbound(webhook(messages=[message], contacts=[contact(ANA)]), NUMBER_ID) == []


def test_another_number_is_not_ours() -> None:
    """One app may have several numbers; each desk takes its own number's messages."""
    message = {"from": ANA, "id": WAMID, "timestamp": "1749416383", "type": "text", "text": {"body": "Hi"}}
    assert to_inbound(webhook("5550001", messages=[message]), NUMBER_ID) == []


def test_one_webhook_may_bring_several() -> None:
    """Entries, changes and messages come out in their order; each has its own sender's name."""
    message: dict[str, Any] = {"timestamp": "1749416383", "type": "text"}
    body = webhook(
        messages=[message | {"from": ANA, "id": "wamid.1", "text": {"body": "one"}}],
        contacts=[contact("8613800138000", "Li Wei"), contact(ANA)],
    )
    other = webhook(
        messages=[
            message | {"from": "8613800138000", "id": "wamid.2", "text": {"body": "two"}},
            message | {"from": ANA, "id": "wamid.3", "text": {"body": "three"}},
        ],
        contacts=[contact("8613800138000", "Li Wei")],
    )
    body["entry"] += other["entry"]
    events = to_inbound(body, NUMBER_ID)
    assert [(event.text, event.name) for event in events] == [("one", "Ana Torres"), ("two", "Li Wei"), ("three", "")]


def test_what_is_odd_loses_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    """A message in an unknown form is left out, without its words in the log; the others arrive."""
    good = {"from": ANA, "id": "wamid.9", "timestamp": "1", "type": "text", "text": {"body": "still there"}}
    odd: list[Any] = [
        {"from": ANA, "id": "wamid.1", "type": "text", "text": "private words"},
        {"from": ANA, "id": "wamid.2", "type": "text", "text": {"body": ["private words"]}},
        {"id": "wamid.3", "type": "text", "text": {"body": "private words"}},
        {"from": ANA, "id": 5, "type": "text", "text": {"body": "private words"}},
        {"from": ANA, "id": "wamid.4", "type": "image", "image": None},
        {"from": ANA, "id": "wamid.5", "type": "contacts", "contacts": [7]},
        "private words",
    ]
    assert [event.text for event in to_inbound(webhook(messages=[*odd, good]), NUMBER_ID)] == ["still there"]
    assert "a form that is not known" in caplog.text
    assert "private words" not in caplog.text


@pytest.mark.parametrize(
    "body", [None, 5, [], {}, {"entry": {}}, {"entry": [1, {"changes": [2, {"value": 3}, {"value": {}}]}]}]
)
def test_no_form_at_all_is_no_event(body: Any) -> None:
    """Whatever comes with a right signature raises nothing."""
    assert (to_inbound(body, NUMBER_ID), failed(body, NUMBER_ID), troubles(body, NUMBER_ID)) == ([], [], [])


def test_only_failed_statuses_are_told() -> None:
    """Of sent, delivered, read and failed the last is the operator's business."""
    common: dict[str, Any] = {"timestamp": "1750857384", "recipient_id": ANA}
    pricing: Any = {"billable": True, "pricing_model": "PMP", "category": "service", "type": "regular"}
    error = {"code": 131026, "title": "Message undeliverable", "message": "Message undeliverable"}
    statuses = [common | {"id": EARLIER, "status": each, "pricing": pricing} for each in ("sent", "delivered", "read")]
    bad = common | {"id": WAMID, "status": "failed", "biz_opaque_callback_data": "12/0", "errors": [error]}
    (item,) = failed(webhook(statuses=[*statuses, bad]), NUMBER_ID)
    assert (item.message_id, item.ours, item.error["code"]) == (WAMID, "12/0", 131026)


# What goes out


def test_a_text() -> None:
    """The whole request as the platform documents it."""
    (part,) = to_payload(outgoing("Hi *there*", reply_to=EARLIER))
    assert part.body == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": ANA,
        "type": "text",
        "text": {"body": "Hi *there*", "preview_url": False},
        "biz_opaque_callback_data": "7/0",
    }


def test_three_short_choices_are_buttons() -> None:
    """Their ids carry the payloads."""
    (part,) = to_payload(outgoing("Did it help?", buttons=buttons("Yes", "No"), quick_replies=buttons("Later")))
    assert part.body["type"] == "interactive"
    assert part.body["interactive"] == {
        "type": "button",
        "body": {"text": "Did it help?"},
        "action": {
            "buttons": [
                {"type": "reply", "reply": {"id": '/choose{"n": 0}', "title": "Yes"}},
                {"type": "reply", "reply": {"id": '/choose{"n": 1}', "title": "No"}},
                # The quick reply carries the same as the first button, and ids may not be there twice.
                {"type": "reply", "reply": {"id": "#7:2", "title": "Later"}},
            ]
        },
    }


@pytest.mark.parametrize(
    "titles",
    [
        pytest.param(("one", "two", "three", "four"), id="four"),
        pytest.param(("100236 · Tea set, 12 May", "100237 · Tea set, 14 May, two of them"), id="long titles"),
        pytest.param(("Same", "Same"), id="the same title twice"),
        pytest.param(tuple(f"choice {number}" for number in range(10)), id="ten"),
    ],
)
def test_more_or_longer_choices_are_a_list(titles: tuple[str, ...]) -> None:
    """All can be told apart: what a title is too short for stands in the description."""
    (part,) = to_payload(outgoing("Which one?", buttons=buttons(*titles)), "Choose")
    interactive = part.body["interactive"]
    assert (interactive["type"], interactive["action"]["button"]) == ("list", "Choose")
    (section,) = interactive["action"]["sections"]
    assert [row.get("description") or row["title"] for row in section["rows"]] == list(titles)
    assert all(utf16_length(row["title"]) <= 24 for row in section["rows"])


def test_the_words_of_the_list_s_button_are_cut() -> None:
    """A translation longer than the platform takes is shortened, not refused."""
    (part,) = to_payload(outgoing(buttons=buttons(*"abcd")), "Eine Möglichkeit auswählen")
    assert utf16_length(part.body["interactive"]["action"]["button"]) <= 20


def test_more_than_ten_choices_are_numbered() -> None:
    """Nothing is hidden; a number typed back is understood."""
    (part,) = to_payload(outgoing("Which one?", buttons=buttons(*[f"n{number}" for number in range(11)])))
    assert part.body["type"] == "text"
    assert part.body["text"]["body"].startswith("Which one?\n\n1. n0\n2. n1\n")
    assert part.body["text"]["body"].endswith("\n11. n10")


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("payload", ["", "#9:1", "/x" + "a" * 300])
def test_a_payload_that_does_not_fit_becomes_a_reference(payload: str, count: int) -> None:
    """Buttons hold 256 characters, rows 200; what is ours to look up is by outbox id and index."""
    choices = tuple(OutButton(f"b{number}", payload) for number in range(count))
    (part,) = to_payload(outgoing(buttons=choices))
    action = part.body["interactive"]["action"]
    replies = [button["reply"] for button in action.get("buttons", ())] or action["sections"][0]["rows"]
    assert [reference(reply["id"]) for reply in replies] == [(7, index) for index in range(count)]


def test_a_long_text_goes_ahead_of_its_choices() -> None:
    """Nothing is lost, the choices are below the end, each part is within its limit and has its own number."""
    text = "\n".join(f"Line {number} of a long answer." for number in range(300))
    parts = to_payload(outgoing(text, buttons=buttons("Yes", "No"), reply_to=EARLIER))
    *texts, last = parts
    said = [part.body["text"]["body"] for part in texts] + [last.body["interactive"]["body"]["text"]]
    assert " ".join(said).split() == text.split()
    assert all(utf16_length(piece) <= 4096 for piece in said)
    assert utf16_length(said[-1]) <= 1024
    assert [part.body["biz_opaque_callback_data"] for part in parts] == [f"7/{n}" for n in range(len(parts))]


@pytest.mark.parametrize(
    ("mime", "kind", "content"),
    [
        ("image/png", "image", {"caption": "Look"}),
        ("video/mp4", "video", {"caption": "Look"}),
        ("application/pdf", "document", {"caption": "Look", "filename": "a.bin"}),
        ("image/webp", "document", {"caption": "Look", "filename": "a.bin"}),
    ],
)
def test_a_file_has_its_text_as_caption(mime: str, kind: str, content: dict[str, str]) -> None:
    """One message: the file as the platform shows such files, and the text below it."""
    (part,) = to_payload(outgoing("Look", media=(Media("x/a", "a.bin", mime),)))
    assert (part.body["type"], part.body[kind]) == (kind, content)
    assert part.file == Media("x/a", "a.bin", mime)


def test_where_there_is_no_room_for_a_caption_the_text_goes_ahead() -> None:
    """Audio takes none, a long text does not fit, several files have one text."""
    audio, image = Media("x/a", "a.mp3", "audio/mpeg"), Media("x/b", "b.png", "image/png")
    for text, media in (("Hear", (audio,)), ("x" * 1025, (image,)), ("Both", (image, image))):
        parts = to_payload(outgoing(text, media=media))
        assert [part.file for part in parts] == [None, *media]
        assert parts[0].body["text"]["body"] == text
        assert not any("caption" in part.body[part.body["type"]] for part in parts[1:])


def test_a_file_stands_above_the_choices() -> None:
    """Choices come last, where the customer sees them."""
    image = Media("x/b", "b.png", "image/png")
    parts = to_payload(outgoing("Is this it?", media=(image,), buttons=buttons("Yes", "No")))
    assert [part.body["type"] for part in parts] == ["image", "interactive"]


def test_nothing_to_say_takes_no_message() -> None:
    """White space is not sent; choices without words are."""
    assert to_payload(outgoing(" \n")) == []
    (part,) = to_payload(outgoing("", buttons=buttons("Yes")))
    assert part.body["interactive"]["body"]["text"] == "…"


def test_a_template_says_the_same_in_one_line() -> None:
    """Choices are numbered; the recipient and our own mark stay."""
    (part,) = to_payload(outgoing("How was it?\n\nBe honest.", buttons=buttons("Great", "Bad"), reply_to=EARLIER))
    text = plain(part.body)
    assert text == "How was it? Be honest. 1. Great · 2. Bad"
    assert in_template(part.body, text, "customer_service", "en_US") == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": ANA,
        "biz_opaque_callback_data": "7/0",
        "type": "template",
        "template": {
            "name": "customer_service",
            "language": {"code": "en_US"},
            "components": [{"type": "body", "parameters": [{"type": "text", "text": text}]}],
        },
    }
