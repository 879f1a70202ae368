"""Telegram's two conversions, on complete objects as Telegram sends them."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.contracts import Address, Attachment, Kind, Media, OutButton, Outgoing
from connectors.telegram.convert import COMMANDS, plain, reference, to_inbound, to_payload

FIXTURES = Path(__file__).parents[2] / "fixtures" / "telegram"
ANA = Address("telegram", "5512003344", "5512003344")
GROUP = Address("telegram", "-1002200330044", "5512003344")


def fixture(name: str) -> dict[str, Any]:
    update: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return update


@pytest.mark.parametrize(
    ("name", "address", "text", "payload"),
    [
        ("text", ANA, "¿Dónde está mi pedido 100234?", ""),
        ("command_start_deep_link", ANA, "/start order_100234", '/track_order{"order_number": "100234"}'),
        ("command_start_survey", ANA, "/start survey_12", '/inform{"survey": "12"}'),
        ("command_start_nonsense", ANA, '/start order_"};drop', "/greet"),
        ("command_orders", ANA, "/orders", "/list_orders"),
        ("command_unknown", ANA, "/frobnicate now", ""),
        ("photo_with_caption", ANA, "La caja llegó aplastada 📦", ""),
        ("sticker", ANA, "👍", ""),
        ("contact", ANA, "+34600123456", ""),
        ("location", ANA, "", ""),
        ("forwarded", ANA, "Your parcel 100234 is delayed", ""),
        ("group_mention", GROUP, "📦📦 where is order 100234?", ""),
        ("group_reply", GROUP, "100234", ""),
        ("group_command_for_us", GROUP, "/help@linguadesk_bot", "/ask_help"),
        ("group_command_without_name", GROUP, "/help", "/ask_help"),
        (
            "group_start_deep_link",
            GROUP,
            "/start@linguadesk_bot order_CN-2024_88",
            '/track_order{"order_number": "CN-2024_88"}',
        ),
        ("added_to_group", GROUP, "", ""),
        ("contact_with_card", ANA, "+31201234567", ""),
        ("sticker_without_emoji", ANA, "", ""),
        ("topic_mention", Address("telegram", "-1002200330044", "5512003344", "17"), "hello", ""),
        ("button", ANA, "Sí", "/affirm"),
        ("button_with_reference", ANA, "Otra cosa", "#42:2"),
        ("button_of_inaccessible_message", ANA, "", "/deny"),
        ("button_in_topic", Address("telegram", "-1002200330044", "5512003344", "17"), "Sí", "/affirm"),
    ],
)
def test_what_is_for_the_bot_becomes_an_event(name: str, address: Address, text: str, payload: str) -> None:
    """Text, captions, commands, buttons and addressed group messages keep place, words and id."""
    update = fixture(name)
    event = to_inbound(update, "linguadesk_bot")
    assert event is not None
    assert (event.address, event.text, event.payload) == (address, text, payload)
    assert (event.external_id, event.locale, event.name) == (str(update["update_id"]), "es", "Ana Torres")


@pytest.mark.parametrize(
    "name",
    [
        "channel_post",
        "from_other_bot",
        "joined_group",
        "group_talk",
        "group_command_for_another",
        "button_of_inline_message",
        "edited_group_talk",
        "live_location_moved",
        "reaction_in_group",
        "removed_from_group",
        "added_to_channel",
        "supergroup_migrated_from",
        "automatic_forward",
        "pinned",
    ],
)
def test_what_is_not_for_the_bot_is_left_alone(name: str) -> None:
    """Channels, bots, service messages, other people's talk, edits and reactions give no event."""
    assert to_inbound(fixture(name), "linguadesk_bot") is None


@pytest.mark.parametrize("name", ["group_mention", "group_reply", "topic_mention"])
def test_in_a_group_a_bot_that_does_not_know_its_name_stays_silent(name: str) -> None:
    """Without the own name nothing in a group can be known to be meant."""
    assert to_inbound(fixture(name), "") is None


@pytest.mark.parametrize(
    ("name", "kind", "message_id", "text"),
    [
        ("text", Kind.MESSAGE, "41", "¿Dónde está mi pedido 100234?"),
        ("edited_message", Kind.EDIT, "41", "¿Dónde está mi pedido 100235?"),
        ("edited_caption", Kind.EDIT, "86", "Pedido 100235"),
        ("edited_group_mention", Kind.EDIT, "87", "100235"),
        ("reaction", Kind.REACTION, "63", "👍"),
        ("reaction_removed", Kind.REACTION, "63", ""),
        ("reaction_custom", Kind.REACTION, "63", "❔⭐"),
        ("blocked", Kind.BLOCKED, "", ""),
        ("unblocked", Kind.UNBLOCKED, "", ""),
    ],
)
def test_events_besides_messages_are_told_apart(name: str, kind: Kind, message_id: str, text: str) -> None:
    """An edit and a reaction name the message that they are about; a block and its end are events as well."""
    event = to_inbound(fixture(name), "linguadesk_bot")
    assert event is not None
    assert (event.kind, event.message_id, event.text) == (kind, message_id, text)
    assert event.address.user == "5512003344"


def test_a_group_that_got_another_id_is_an_event() -> None:
    """The old chat is the address, the new id the text."""
    event = to_inbound(fixture("group_migrated"), "linguadesk_bot")
    assert event is not None
    assert (event.kind, event.address.chat, event.text) == (Kind.MOVED, "-44120077", "-1002200330044")


def test_the_photos_of_an_album_have_one_group() -> None:
    """By their group the core makes one message of them; the caption stands at one of them."""
    first, second = (to_inbound(fixture(name)) for name in ("photo_of_album", "photo_of_album_captioned"))
    assert first is not None
    assert second is not None
    assert first.group == second.group == "13871523984753211"
    assert (first.text, second.text) == ("", "Rota")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("location", "📍 40.4168, -3.7038"),
        ("venue", "📍 52.3740, 4.8897 Depot West"),
        ("poll", "📊 Which colour?"),
        ("dice", "🎯 5"),
        ("game", "🎮 Corsairs"),
        ("story", "🎞"),
        ("sticker", "👍"),
        ("sticker_without_emoji", "🖼"),
        ("contact", "📇 Ana Torres +34600123456"),
        ("contact_with_card", "📇 Bo de Vries +31201234567"),
        ("text", ""),
    ],
)
def test_what_has_no_words_is_shown_by_a_sign(name: str, shown: str) -> None:
    """The transcript says what came; nothing of it is taken for the customer's words."""
    event = to_inbound(fixture(name))
    assert event is not None
    assert event.shown == shown


@pytest.mark.parametrize(
    ("argument", "payload"),
    [
        ("order_" + "A" * 58, "/track_order"),
        ("order_" + "A" * 59, "/greet"),
        ("order_", "/greet"),
        ("order_-1", "/greet"),
        ("order_1 order_2", "/greet"),
        ("survey_12x", "/greet"),
        ("survey_١٢", "/greet"),
        ("ad_2024", "/greet"),
    ],
)
def test_a_link_that_says_nothing_sensible_is_a_plain_start(argument: str, payload: str) -> None:
    """Anybody can make a link: only an order number or a survey of the agreed form is taken from it."""
    update = fixture("text")
    update["message"]["text"] = f"/start {argument}"
    event = to_inbound(update)
    assert event is not None
    assert event.payload.partition("{")[0] == payload


def test_every_fixture_is_named_in_a_test() -> None:
    """A recorded update without an expectation would prove nothing."""
    source = Path(__file__).read_text(encoding="utf-8")
    assert [path.stem for path in FIXTURES.glob("*.json") if f'"{path.stem}"' not in source] == []


@pytest.mark.parametrize(
    ("name", "attachment"),
    [
        ("photo_with_caption", Attachment("photo", "AgACAgQAAxkBAAIBRmc_large", "photo.jpg", "image/jpeg", 182044)),
        ("photo_of_album", Attachment("photo", "AgACAgQAAxkBAAIBSGc_only", "photo.jpg", "image/jpeg", 90210)),
        (
            "document",
            Attachment("document", "BQACAgQAAxkBAAIBSmc_pdf", "factura 100234.pdf", "application/pdf", 48213),
        ),
        ("voice", Attachment("voice", "AwACAgQAAxkBAAIBTGc_ogg", "voice.ogg", "audio/ogg", 17044)),
        ("video", Attachment("video", "BAACAgQAAxk_mp4", "IMG_2210.MP4", "video/mp4", 4120331)),
        ("video_note", Attachment("video", "DQACAgQAAxk_note", "video.mp4", "video/mp4", 610442)),
        ("audio", Attachment("audio", "CQACAgQAAxk_m4a", "memo.m4a", "audio/mp4", 3310022)),
        ("animation", Attachment("document", "CgACAgQAAxkBAAIBXGc_gif", "giphy.mp4", "video/mp4", 93811)),
    ],
)
def test_files_are_attachments(name: str, attachment: Attachment) -> None:
    """A file becomes one attachment; of a photo's sizes the largest."""
    event = to_inbound(fixture(name))
    assert event is not None
    assert event.attachments == (attachment,)


def test_the_language_is_written_as_bcp_47_wants_it() -> None:
    """``zh-hans`` comes out as ``zh-Hans``, and a person without a last name has no space after the first."""
    event = to_inbound(fixture("text_chinese"))
    assert event is not None
    assert (event.locale, event.name) == ("zh-Hans", "李雷")


def test_a_person_without_a_language_has_none() -> None:
    """``language_code`` is optional in Telegram's updates."""
    update = fixture("text")
    del update["message"]["from"]["language_code"]
    event = to_inbound(update)
    assert event is not None
    assert event.locale == ""


@pytest.mark.parametrize("command", ["start", "help", "cancel", "language", "human", "orders", "privacy"])
def test_every_command_means_an_intent(command: str) -> None:
    """The commands of the menu are payloads, in whatever case they are typed."""
    update = fixture("text")
    update["message"]["text"] = f"/{command.upper()}"
    event = to_inbound(update)
    assert event is not None
    assert event.payload == COMMANDS[command]


def outgoing(text: str = "Hi", **fields: Any) -> Outgoing:
    return Outgoing(id=42, address=fields.pop("address", ANA), text=text, language="en", **fields)


def test_a_text_is_one_message() -> None:
    """A short text is one sendMessage, without any markup."""
    assert to_payload(outgoing("Hi <b> & *you*")) == [
        {"method": "sendMessage", "params": {"chat_id": 5512003344, "text": "Hi <b> & *you*"}}
    ]


def test_a_topic_is_answered_in_the_topic() -> None:
    """The thread of the address is the forum topic of the message."""
    address = Address("telegram", "-1002200330044", "5512003344", "17")
    assert to_payload(outgoing(address=address))[0]["params"]["message_thread_id"] == 17


def test_only_the_first_part_in_a_group_is_a_reply() -> None:
    """In a group everybody sees whom the bot answers; in a private chat there is no doubt."""
    replied = {"message_id": 55, "allow_sending_without_reply": True}
    calls = to_payload(outgoing("word " * 1000, address=GROUP, reply_to="55"))
    assert [call["params"].get("reply_parameters") for call in calls] == [replied, None]
    assert "reply_parameters" not in to_payload(outgoing(reply_to="55"))[0]["params"]
    assert "reply_parameters" not in to_payload(outgoing(address=GROUP))[0]["params"]


def test_buttons_carry_their_payload_or_a_reference_to_it() -> None:
    """64 bytes fit; one more, none at all, or what looks like a reference goes by outbox id and index."""
    fits, long = "/a" + "é" * 31, "/ab" + "é" * 31
    buttons = (OutButton("Fits well", fits), OutButton("Is too long", long), OutButton("Empty", ""))
    quick = (OutButton("Odd", "#1:1"),)
    call = to_payload(outgoing(buttons=buttons, quick_replies=quick))[-1]
    keyboard = [button for row in call["params"]["reply_markup"]["inline_keyboard"] for button in row]
    assert [button["callback_data"] for button in keyboard] == [fits, "#42:1", "#42:2", "#42:3"]
    assert all(len(button["callback_data"].encode()) <= 64 for button in keyboard)
    assert [reference(button["callback_data"]) for button in keyboard] == [None, (42, 1), (42, 2), (42, 3)]


def test_ratings_stand_side_by_side_and_sentences_below_each_other() -> None:
    """Rows follow the longest title."""
    ratings = tuple(OutButton(str(score), f"/rate{score}") for score in range(1, 6))
    rows = to_payload(outgoing(buttons=ratings))[0]["params"]["reply_markup"]["inline_keyboard"]
    assert [len(row) for row in rows] == [5]
    long = tuple(OutButton(f"A long title number {n}", f"/{n}") for n in range(3))
    rows = to_payload(outgoing(buttons=long))[0]["params"]["reply_markup"]["inline_keyboard"]
    assert [len(row) for row in rows] == [1, 1, 1]


def test_more_buttons_than_telegram_takes_become_numbered_lines() -> None:
    """The 101st choice is still there, with the number that is understood when typed back."""
    buttons = tuple(OutButton(f"Order {n}", f"/o{n}") for n in range(1, 103))
    call = to_payload(outgoing(buttons=buttons))[0]
    assert sum(len(row) for row in call["params"]["reply_markup"]["inline_keyboard"]) == 100
    assert call["params"]["text"].endswith("101. Order 101\n102. Order 102")


def test_a_file_goes_with_the_text_as_its_caption() -> None:
    """One file and a short text are one message, so that a retry cannot repeat half of it."""
    media = (Media("exports/a.json", "my-data.json", "application/json"),)
    calls = to_payload(outgoing("Your data", media=media, buttons=(OutButton("Thanks", "/thank"),)))
    assert [call["method"] for call in calls] == ["sendDocument"]
    params = calls[0]["params"]
    assert (params["document"], params["filename"]) == ("exports/a.json", "my-data.json")
    assert params["caption"] == "Your data"
    assert params["reply_markup"]["inline_keyboard"][0][0]["text"] == "Thanks"


def test_a_long_text_with_files_goes_first() -> None:
    """Where a caption does not hold the text, messages come first, then the files; buttons come last."""
    media = (Media("a.pdf", "a.pdf"), Media("b.pdf", "b.pdf"))
    calls = to_payload(outgoing("x" * 1025, media=media, buttons=(OutButton("Ok", "/affirm"),)))
    assert [call["method"] for call in calls] == ["sendMessage", "sendDocument", "sendDocument"]
    assert ["reply_markup" in call["params"] for call in calls] == [False, False, True]
    assert not any("caption" in call["params"] for call in calls)


def test_a_long_text_is_cut_between_words_and_nothing_is_lost() -> None:
    """Pieces hold at most 4096 UTF-16 units, and every word is whole in one of them, in order."""
    text = " ".join(f"word{n}😀" for n in range(3000))
    calls = to_payload(outgoing(text, buttons=(OutButton("Ok", "/affirm"),)))
    pieces = [call["params"]["text"] for call in calls]
    assert len(pieces) > 1
    assert all(len(piece.encode("utf-16-le")) // 2 <= 4096 for piece in pieces)
    assert " ".join(pieces).split() == text.split()
    assert ["reply_markup" in call["params"] for call in calls] == [False] * (len(calls) - 1) + [True]


def test_lines_are_kept_together_where_possible() -> None:
    """A line end in the second half of a piece is preferred to a space."""
    pieces = [call["params"]["text"] for call in to_payload(outgoing("a b " * 700 + "\n" + "c d " * 700))]
    assert "c" not in pieces[0]
    assert "a" not in pieces[1]


@pytest.mark.parametrize("character", ["😀", "👍🏽", "👩‍👩‍👧", "🇪🇸", "é", "❤️"])
def test_a_character_is_never_cut(character: str) -> None:
    """A word of 5,000 characters has to be cut, yet neither within a surrogate pair nor within an emoji."""
    text = "x" + character * 5000
    pieces = [call["params"]["text"] for call in to_payload(outgoing(text))]
    assert "".join(pieces) == text
    assert all(len(piece.encode("utf-16-le")) // 2 <= 4096 for piece in pieces)
    assert all(piece.removeprefix("x").replace(character, "") == "" for piece in pieces)


def test_chinese_is_cut_after_a_full_stop() -> None:
    """Where there are no spaces, punctuation shows where to cut."""
    sentence = "您的包裹今天会送到您手中请保持手机畅通。"
    pieces = [call["params"]["text"] for call in to_payload(outgoing(sentence * 400))]
    assert len(pieces) > 1
    assert all(piece.endswith("。") for piece in pieces)
    assert "".join(pieces) == sentence * 400


def test_an_empty_text_is_never_sent() -> None:
    """Telegram refuses it: nothing is sent, or a sign above the buttons."""
    assert to_payload(outgoing("  \n")) == []
    assert to_payload(outgoing("", buttons=(OutButton("Ok", "/affirm"),)))[0]["params"]["text"] == "…"


def test_100_000_characters_in_any_script_are_cut_quickly() -> None:
    """Every piece is sendable, whatever the script, and nothing but white space is lost."""
    text = unicodedata.normalize("NFC", ("العربية नमस्ते ünï 中文字符\u200d🏽 ") * 4000)
    pieces = [call["params"]["text"] for call in to_payload(outgoing(text))]
    assert all(0 < len(piece.encode("utf-16-le")) // 2 <= 4096 for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


URL = "https://shop.example.com/track/" + "a1b2c3/" * 40 + "?lang=zh&x=%E8%AE%A2"


@pytest.mark.parametrize(
    "before",
    ["word " * 800, "您的包裹今天会送到您手中" * 340, "line\n" * 810, "😀" * 2030 + " ", "请看，" * 1360],
)
def test_an_address_is_never_cut(before: str) -> None:
    """A web address at the border goes whole into the next message, whatever stands before it."""
    pieces = [call["params"]["text"] for call in to_payload(outgoing(f"{before}{URL} end " + "x " * 200))]
    assert len(pieces) == 2
    assert [URL in piece for piece in pieces] == [False, True]


def test_a_latin_word_among_chinese_is_never_cut() -> None:
    """Where a text has no spaces, a word in Latin letters still stays whole."""
    text = "您" * 4090 + "Sendungsverfolgung" + "号" * 100
    pieces = [call["params"]["text"] for call in to_payload(outgoing(text))]
    assert "".join(pieces) == text
    assert [("Sendungsverfolgung" in piece) for piece in pieces] == [False, True]


SCRIPTS = ["word", "naïve", "😀", "👍🏽", "👩\u200d👩\u200d👧", "🇪🇸", "您的包裹", "送到。", "ご注文、", "주문", "طلبك"]
RUNS = st.tuples(st.sampled_from([*SCRIPTS, "ऑर्डर", "\n", " ", URL[:90]]), st.integers(1, 400))


@given(st.lists(RUNS, min_size=1, max_size=25))
@settings(max_examples=60, deadline=None)
def test_whatever_is_cut_is_whole_again(runs: list[tuple[str, int]]) -> None:
    """Every piece is sendable; the pieces give back all characters in order, and every word that fits is whole."""
    text = "".join(part * count for part, count in runs)
    pieces = [call["params"]["text"] for call in to_payload(outgoing(text))]
    assert all(0 < len(piece.encode("utf-16-le")) // 2 <= 4096 for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(not unicodedata.category(piece[0]).startswith("M") and piece[0] != "\u200d" for piece in pieces)
    fitting = Counter(word for word in text.split() if word.isascii() and len(word) <= 4096)
    assert not fitting - Counter(" ".join(pieces).split())


def test_the_plain_form_numbers_the_choices() -> None:
    """When Telegram refuses the keyboard, the choices are lines that can be answered by number."""
    message = outgoing("Which one?", buttons=(OutButton("First", "/a"), OutButton("Second", "/b")))
    assert plain(to_payload(message)[0], message) == [
        {"method": "sendMessage", "params": {"chat_id": 5512003344, "text": "Which one?\n\n1. First\n2. Second"}}
    ]
