"""The desk's words: every language has every key, every key is used, every page finds its words."""

from __future__ import annotations

import enum
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import bot.desk
from bot.contracts import Author, Owner
from bot.desk.lists import Whose
from bot.storage.lists import Due, Sort
from bot.storage.models import ClockKind, Role, Severity, TicketStatus, TicketType
from bot.texts import catalogue_path, read_catalogue
from bot.words import Words, languages
from tests.desk.office import Office, token_of

DESK = Path(bot.desk.__file__).parent
SOURCES = [*DESK.rglob("templates/**/*.html"), *DESK.rglob("*.py")]
NAME = re.compile(r"\{(\w+)\}")
# Groups whose last part comes from data; what is not in the catalogue is shown as it is.
OPEN_GROUPS = {
    "alert", "announce", "bucket", "channel", "compare", "dash_by", "detail", "dimension", "event", "export",
    "figures", "follow_up", "intent", "merged", "nps", "opened", "order", "outcome", "part", "period", "reason",
    "score", "score_rule", "sentiment", "survey_state", "topic", "weekday", "what", "why", "work",
}  # fmt: skip
GROUPS: dict[str, type[enum.StrEnum]] = {
    "clock": ClockKind, "due": Due, "sort": Sort, "whose": Whose,
    "status": TicketStatus, "type": TicketType, "severity": Severity, "role": Role, "owner": Owner, "author": Author,
}  # fmt: skip

REFUSALS = {
    f"handoff.{reason}"
    for reason in ("taken", "not_waiting", "empty", "too_long", "unknown", "not_allowed", "unreachable", "nobody")
}


def _code() -> str:
    """The program's code, where it speaks to agents on platforms."""
    folders = (DESK.parent, DESK.parents[1] / "connectors")
    return "\n".join(path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("*.py"))


def entries(language: str) -> dict[str, str]:
    """The catalogue of a language."""
    catalogue = read_catalogue(catalogue_path(language, "desk"), language)
    return {str(message.id): str(message.string) for message in catalogue if message.id}


def test_all_languages_say_the_same_things() -> None:
    """The same keys, none empty, with the same placeholders."""
    english = entries("en")
    assert {"en", "es", "zh-Hans"} <= set(languages())
    for language in languages():
        words = entries(language)
        assert set(words) == set(english), language
        for key, text in words.items():
            assert text.strip(), (language, key)
            assert sorted(NAME.findall(text)) == sorted(NAME.findall(english[key])), (language, key)


def test_every_key_that_is_used_exists_and_every_key_is_used() -> None:
    """No page shows a key for want of words, and translators translate nothing in vain."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    literal = set(re.findall(r"\bt\('([a-z0-9_.]+)'[,)]", text)) | set(re.findall(r"'(action\.[a-z_]+)'", text))
    literal |= set(re.findall(r"\bwords\(\s*\"([a-z0-9_.]+)\"[,)]", text))
    prefixes = set(re.findall(r"\bt\('([a-z0-9_.]+[._])' ~", text))
    keys = set(entries("en"))
    assert len(literal) > 100 and literal <= keys, literal - keys
    built = {key for prefix in prefixes for key in keys if key.startswith(prefix)}
    assert all(any(key.startswith(prefix) for key in keys) for prefix in prefixes)
    labelled = {key for key in keys if key.split(".")[0] in {*GROUPS, *OPEN_GROUPS}}
    rooms = {key for key in re.findall(r"[\"'](room\.[a-z0-9_.]+)[\"']", _code()) if key in keys}
    rooms |= {f"room.{outcome}" for outcome in ("resolved", "back", "timeout", "callback")}
    rooms |= {f"room.command.{command}" for command in ("r", "claim", "resolve", "back")}
    assert keys == literal | built | labelled | rooms | REFUSALS, keys - literal - built - labelled - rooms - REFUSALS


def test_every_value_of_the_database_has_a_label() -> None:
    """Statuses, types, severities, roles, owners, authors, refusals, composer states."""
    keys = set(entries("en"))
    for group, values in GROUPS.items():
        assert {f"{group}.{value.value}" for value in values} <= keys, group
    assert keys >= REFUSALS
    for kind in ("not_found", "forbidden", "token", "too_large", "bad_request", "database"):
        assert {f"error.{kind}.title", f"error.{kind}.text"} <= keys
    for state in ("bot", "waiting", "mine", "taken"):
        assert {f"state.{state}", f"reply.hint.{state}"} <= keys


@pytest.mark.parametrize("language", ["en", "es", "zh-Hans"])
async def test_every_page_renders_in_every_language_without_a_bare_key(office: Office, language: str) -> None:
    """Queue, conversation, lists, ticket, results, errors, sign-in: words in place of keys."""
    talk = await office.writes("Tom", "hello")
    await office.says(talk, "hi", Author.BOT, ("Yes",))
    await office.buys(talk, "Tom", "100234")
    await office.complains(talk, "broken")
    await office.rates(talk, 4, "fine")
    await office.waits(talk)
    keys = [key for key in entries("en") if "." in key]
    bare = re.compile("|".join(rf"(?<![\w./-]){re.escape(key)}(?![\w/-])" for key in keys))
    async with office.signed_in("maya") as client:
        token = token_of(await client.get("/desk"))
        await client.post("/desk/language", data={"token": token, "language": language})
        for address in (
            "/desk", "/desk/conversations", f"/desk/conversations/{talk}", "/desk/tickets", "/desk/tickets/1",
            "/desk/dashboard", "/desk/dashboard/csat", "/desk/dashboard/operations", "/desk/dashboard/behind/csat",
            "/desk/nowhere",
        ):  # fmt: skip
            page = (await client.get(address)).text
            assert f'<html lang="{language}"' in page
            shown = re.sub(r"<[^>]*>", " ", page)
            assert not bare.search(shown), (address, bare.search(shown))
        ours = entries(language)
        assert ours["nav.queue"] in (await client.get("/desk")).text
    async with office.client() as client:
        page = (await client.get("/desk/sign-in", headers={"Accept-Language": language})).text
        assert f">{ours['signin.enter']}</button>" in page and not bare.search(re.sub(r"<[^>]*>", " ", page))


def test_times_are_the_shops_and_the_readers() -> None:
    """The shop's time zone, the reader's way of writing; today without the day, this year without the year."""
    clock = datetime(2026, 3, 5, 23, 30, tzinfo=UTC)
    spanish = Words("es", "Europe/Madrid", lambda: clock)
    assert spanish.moment(clock - timedelta(minutes=10)) == "0:20"
    assert spanish.moment(clock - timedelta(hours=1)) == "5 mar, 23:30"
    english = Words("en", "America/New_York", lambda: clock)
    assert english.moment(clock).replace("\u202f", " ") == "6:30 PM"
    assert "2024" in english.moment(clock - timedelta(days=600))
    waits = [(0, "1 min"), (59, "59 min"), (60, "1 hr"), (119, "1 hr"), (1440, "1 day"), (60 * 24 * 40, "40 days")]
    for minutes, words in waits:
        assert english.waited(clock - timedelta(minutes=minutes)) == words
    assert english.size(999) == "999 B" and english.size(2_500_000) == "2.5 MB"


def test_a_desk_in_an_unknown_language_speaks_english() -> None:
    """A user whose language the desk does not speak still reads words; unknown values are shown as they are."""
    words = Words("fi", "UTC")
    assert words.language == "en" and words("nav.queue") == "Queue"
    assert words.label("reason", "some_new_intent") == "some new intent"
    assert words.channel("discord") == "Discord" and words.language_of("xx-bad-code") == "xx-bad-code"
