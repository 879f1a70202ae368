"""What goes out: whole, within every limit, in the platform's own form."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bot.config import Shop, load_config
from bot.contracts import Author, OutButton, Outgoing, Reply
from bot.domain import load_domain
from bot.texts import Texts
from tests.contracts.channel import MEDIA, Channel, Seen, asked_of
from tests.contracts.conftest import CHANNELS, Running, complaints

ROOT = Path(__file__).parents[2]
LANGUAGES = load_config(ROOT, ROOT / "data", env={}).settings.languages
SIGNS = (
    "1 < 2 & 3 > 2; *bold* _italic_ ~gone~ `code` [a](http://b.c) <b>&amp;</b> \\ | # {x} $ % @here <!channel> <@U1>"
)
URL = "https://example.com/returns?order=100234&step=" + "a-long-way-round/" * 12


def buttons(
    count: int, title: str = "Choice {}", payload: str = '/inform{{"order_number": "{}"}}'
) -> tuple[OutButton, ...]:
    """Choices ``1`` to ``count``."""
    return tuple(OutButton(title.format(number), payload.format(number)) for number in range(1, count + 1))


LONG = "Your parcel left the warehouse in Utrecht. " * 400
MESSAGES: dict[str, dict[str, Any]] = {
    "text": {"text": "Your order is on its way."},
    "one character": {"text": "."},
    "emoji": {"text": "👩‍👩‍👧‍👦🇳🇱👍🏽" * 300},
    "signs": {"text": SIGNS},
    "long": {"text": LONG},
    "long without a space": {"text": "x" * 10_000},
    "long without a space, Chinese": {"text": "您的订单正在路上。" * 1500},
    "two buttons": {"text": "Cancel it?", "buttons": buttons(2)},
    "nine buttons": {"text": "What is it about?", "buttons": buttons(9)},
    "fifteen buttons": {"text": "Which language?", "buttons": buttons(15)},
    "130 buttons": {"text": "Which order?", "buttons": buttons(130)},
    "long titles": {
        "text": "Which one?",
        "buttons": buttons(3, "A very long title of a very long product, number {} of all of them"),
    },
    "very long titles": {"text": "Which one?", "buttons": buttons(3, "{} " + "long 长 " * 40)},
    "titles of emoji": {"text": "Which one?", "buttons": buttons(3, "👩‍👩‍👧‍👦" * 12 + "{}")},
    "long payloads": {"text": "Which one?", "buttons": buttons(3, payload='/inform{{"size": "' + "é" * 400 + '{}"}}')},
    "payloads around the limits": {
        "text": "Which one?",
        "buttons": tuple(
            OutButton(f"{size} long", "/inform".ljust(size, "x")) for size in (63, 64, 65, 66, 199, 200, 201)
        ),
    },
    "payloads around larger limits": {
        "text": "Which one?",
        "buttons": tuple(OutButton(f"{size} long", "/inform".ljust(size, "x")) for size in (255, 256, 257)),
    },
    "payloads around the largest limit": {
        "text": "Which one?",
        "buttons": tuple(OutButton(f"{size} long", "/inform".ljust(size, "x")) for size in (1999, 2000, 2001)),
    },
    "payloads of wide characters around a limit": {
        "text": "Which one?",
        "buttons": tuple(OutButton(f"{size} long", "/in" + "é" * size) for size in (30, 31, 61, 97, 98)),
    },
    "payloads beyond all limits": {"text": "Which one?", "buttons": buttons(3, payload="/inform" + "x" * 3000 + "{}")},
    "the same title twice": {"text": "Which one?", "buttons": (OutButton("Shoes", "/a"), OutButton("Shoes", "/b"))},
    "the same payload twice": {"text": "Which one?", "buttons": (OutButton("A", "/a"), OutButton("B", "/a"))},
    "no payload": {"text": "Which one?", "buttons": (OutButton("A", ""), OutButton("B", "/b"))},
    "signs on a button": {"text": "Which one?", "buttons": (OutButton("a < b & c", "/a"), OutButton("*d*", "/d"))},
    "buttons below a long text": {"text": LONG, "buttons": buttons(3)},
    "buttons below a text that just fits": {"text": "x" * 1024, "buttons": buttons(2)},
    "buttons without words": {"text": "", "buttons": buttons(2)},
    "quick replies": {"text": "And now?", "quick_replies": buttons(4)},
    "buttons and quick replies": {
        "text": "And now?",
        "buttons": buttons(2),
        "quick_replies": buttons(2, "Also {}", "/also_{}"),
    },
    "a photo": {"text": "", "media": MEDIA[:1]},
    "a photo with words": {"text": "This is the label.", "media": MEDIA[:1]},
    "a document with a long text": {"text": LONG, "media": MEDIA[1:]},
    "two files": {"text": "Both of them.", "media": MEDIA},
    "a file with buttons": {"text": "Is this it?", "media": MEDIA[:1], "buttons": buttons(2)},
    "asks for an order": {"text": "Which order is it?", "asks": "order_number"},
    "asks for a kind of complaint": {"text": "What is it about?", "asks": "complaint_type", "buttons": buttons(9)},
    "an agent": {"text": "Hello, this is Sam.", "author": Author.AGENT},
    "a survey": {"text": "How satisfied are you?", "author": Author.SURVEY, "buttons": buttons(5, "{}")},
    "a notice": {"text": "Your order has left.", "author": Author.NOTICE},
    "answers a message": {"text": "It is on its way.", "reply_to": "305"},
    "right to left": {"text": "طلبك 100234 في الطريق. " * 300, "language": "ar", "buttons": buttons(2, "خيار {}")},
    "addresses": {"text": f"Here: {URL} and there: {URL}\n" * 40},
    "white space": {"text": "\n\n  a  \n\n\n" + " " * 5000 + "b"},
}


def message(channel: Channel, **fields: Any) -> Outgoing:
    """A message to the channel's customer."""
    usual: dict[str, Any] = {"id": 42, "address": channel.address, "text": "", "language": "en"}
    return Outgoing(**usual | fields)


def _offered(channel: Channel, seen: Seen, number: int, button: OutButton) -> bool:
    """Whether a choice can be made: by a button of its own, or by its number before its title."""
    text = "\n".join(seen.words)
    if re.search(rf"(?m)^{number}\. {re.escape(button.title.strip()[:20])}", text):
        return True
    beginnings = [title.rstrip("…")[:15] for title, _ in seen.choices]
    return any(start and button.title.strip().startswith(start) for start in beginnings)


@pytest.mark.parametrize("name", MESSAGES)
def test_every_kind_of_message_arrives_whole(channel: Channel, name: str) -> None:
    """Words in full, each choice as a button or a number, each file; nothing that the platform would refuse."""
    out = message(channel, **MESSAGES[name])
    calls = channel.calls(out)
    assert [excess for call in calls for excess in channel.excess(call)] == []
    assert complaints(channel, calls) == []
    seen = channel.seen(calls)
    _assert_words_kept(out.text, seen.words)
    assert [b.title for number, b in enumerate(out.choices, 1) if not _offered(channel, seen, number, b)] == []
    assert list(seen.files) == [item.path for item in out.media]


def _assert_words_kept(text: str, pieces: tuple[str, ...]) -> None:
    """The pieces have every character of the text in order, white space and what is added at the end apart."""
    said, wanted = ("".join("".join(part).split()) for part in (pieces, text))
    assert said.startswith(wanted) or not wanted, (said[:200], wanted[:200])


@pytest.fixture(scope="module")
def every_language() -> dict[str, Any]:
    """A question with buttons as it is really asked, in each language."""
    texts = Texts(load_domain(ROOT), LANGUAGES, Shop())
    keys = ("utter_ask_complaint_type", "utter_greet", "utter_ask_photo")
    return {language: [texts.render(Reply(key), language) for key in keys] for language in LANGUAGES}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_arrives_whole(channel: Channel, language: str, every_language: dict[str, Any]) -> None:
    """The product's real wordings and titles fit, in all fifteen languages."""
    for rendered in every_language[language]:
        fields = {"text": rendered.text, "language": language, "buttons": rendered.buttons}
        out = message(channel, **fields, quick_replies=rendered.quick_replies)
        calls = channel.calls(out)
        assert [excess for call in calls for excess in channel.excess(call)] == []
        seen = channel.seen(calls)
        _assert_words_kept(out.text, seen.words)
        assert [b.title for number, b in enumerate(out.choices, 1) if not _offered(channel, seen, number, b)] == []


async def test_a_message_has_as_many_parts_as_requests(running: Running) -> None:
    """``parts`` says how often ``send`` is to be called, and is the same every time."""
    for name, fields in MESSAGES.items():
        out = message(running.channel, **fields)
        count = running.connector.parts(out)
        assert count == running.connector.parts(dataclasses.replace(out)), name
        assert count == (len(running.channel.calls(out)) if running.channel.limit else 1), name


WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")), min_size=1, max_size=30)
CLUSTERS = st.sampled_from(
    ["👩‍👩‍👧‍👦", "🇳🇱", "👍🏽", "é", "ก็", "नि", "한", "您好。", "&", "<", ">", "*", "_", "\\", URL]
)
# Making a failing example smaller takes minutes where texts are this long.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
GAPS = st.sampled_from([" ", "\n", "\n\n", "", "", "", "  ", "\t"])


@st.composite
def texts_near_the_limit(draw: st.DrawFn) -> str:
    """Long texts of words, emoji and addresses, of a few times what a platform takes at once."""
    pieces = draw(st.lists(st.tuples(st.one_of(WORDS, CLUSTERS), GAPS), min_size=1, max_size=25))
    unbroken = draw(CLUSTERS) * draw(st.sampled_from([0, 0, 3000]))
    return "".join(word + gap for word, gap in pieces) * draw(st.integers(1, 60)) + unbroken


@asked_of(lambda channel: channel.limit > 0)
@settings(
    max_examples=40,
    deadline=None,
    phases=PHASES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(text=texts_near_the_limit())
def test_splitting_loses_and_breaks_nothing(channel: Channel, text: str) -> None:
    """Any text: every piece within the limit, every character kept, no character in two halves."""
    calls = channel.calls(message(channel, text=text))
    pieces = channel.seen(calls).words
    assert all(0 < channel.size(piece) <= channel.limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert [text[cut - 9 : cut + 9] for cut in _cuts(text, pieces) if _is_within_a_character(text, cut)] == []


def _cuts(text: str, pieces: tuple[str, ...]) -> Iterator[int]:
    """Where the text was cut between two characters that are not white space."""
    end = 0
    for piece in pieces:
        start = text.index(piece, end)
        if start == end > 0:
            yield start
        end = start + len(piece)


def _is_within_a_character(text: str, cut: int) -> bool:
    """Whether a reader sees what is before and after the cut as one character."""
    after = text[cut]
    marks = unicodedata.category(after).startswith("M") or "\U0001f3fb" <= after <= "\U0001f3ff"
    return marks or after == "\u200d" or text[cut - 1] == "\u200d"


@asked_of(lambda channel: channel.limit > 0)
@settings(max_examples=40, deadline=None, phases=PHASES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ahead=st.integers(0, 300), filler=st.sampled_from(["a", "长", "🎁", "word "]))
def test_an_address_is_never_cut(channel: Channel, ahead: int, filler: str) -> None:
    """An address that crosses the border goes to the next piece as a whole, as a customer must be able to press it."""
    room = channel.limit - channel.size(URL) // 2 - ahead
    text = filler * (room // channel.size(filler)) + " " + URL + " " + "and more words " * 20
    pieces = channel.seen(channel.calls(message(channel, text=text))).words
    assert len(pieces) > 1
    assert any(URL in piece for piece in pieces)


def test_signs_come_out_as_they_went_in(channel: Channel) -> None:
    """What is markup somewhere is shown as the signs that they are; nobody is called, nothing is bold."""
    assert channel.seen(channel.calls(message(channel, text=SIGNS))).words == (SIGNS,)


def test_what_a_button_carries_comes_back(channel: Channel) -> None:
    """A short payload is on the button itself, so that a press means what was offered."""
    out = message(channel, text="Cancel it?", buttons=(OutButton("Yes", "/affirm"), OutButton("No", "/deny")))
    assert channel.seen(channel.calls(out)).choices == (("Yes", "/affirm"), ("No", "/deny"))


def test_every_channel_has_a_name_of_its_own() -> None:
    """The names are those of the channels' packages."""
    names = [channel.name for channel in CHANNELS]
    assert len(names) == len(set(names))
    folders = {path.parent.name for path in (ROOT / "connectors").glob("*/__init__.py")}
    assert folders - {"terminal"} == set(names)
