"""The platforms' own places and the ready-made replies: every configured language has all the words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from babel.messages.catalog import Message

from bot.config import Config, load_config, load_yaml
from bot.texts import SOURCE_LANGUAGE, Interface, catalogue_path, locale_of, read_catalogue
from tests.conftest import ROOT

LANGUAGES = load_config(ROOT, env={}).settings.languages
TRANSLATED = [language for language in LANGUAGES if language != SOURCE_LANGUAGE]
NAME = re.compile(r"\{(\w*)\}")
LIMIT = re.compile(r"at most (\d+)\b.*? English: ")
# The longest description that a menu of commands shows on a telephone in full, whatever the API allows.
COMMAND_LIMIT = 60
# Words that no language written in Latin letters shares with English.
ENGLISH_WORDS = {"the", "and", "you", "your", "please", "with", "this", "that", "what", "order", "write"}
LATIN = re.compile(r"[A-Za-z]")
REPLY_NAMES = {"customer", "agent", "shop"}
REPLY_LIMIT = 300
# A mark or a space at the start, a space before a mark, two marks or two spaces in a row, a name not filled in.
STRAY = re.compile(r"^[\s,،、，;:.!]|[,،、，;:]\s*[,،.。，!！?？]|\s[,.،，。]|\s{2}|[{}]")


def entries(language: str) -> dict[str, Message]:
    """The entries of a language's catalogue by key, in the file's order."""
    catalogue = read_catalogue(catalogue_path(language, "platform"), language)
    return {str(entry.id): entry for entry in catalogue if entry.id}


def words(language: str) -> dict[str, str]:
    """The words of a language by key."""
    return {key: str(entry.string) for key, entry in entries(language).items()}


def limits() -> dict[str, int]:
    """How many characters a key's words may have, as the comments for translators say."""
    found = {}
    for key, entry in entries(SOURCE_LANGUAGE).items():
        said = LIMIT.search(" ".join(entry.auto_comments))
        if said:
            found[key] = int(said[1])
        if key.startswith("command."):
            found[key] = COMMAND_LIMIT
    return found


def units(text: str) -> int:
    """The length as platforms count it, in UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2


def filled(text: str, values: Mapping[str, str]) -> str:
    """A reply with its names filled in; an empty one goes together with the space before it."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value) if value else re.sub(rf" ?\{{{name}\}}", "", text)
    return text


def replies(language: str) -> list[dict[str, Any]]:
    """The ready-made replies of a language."""
    loaded: list[dict[str, Any]] = load_yaml(ROOT / "replies" / f"{language}.yml")
    return loaded


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_language_says_everything_the_platforms_show(language: str) -> None:
    """The English keys in the English order, no word empty or stale, the same placeholders, translated from today's
    English."""
    english, ours = words(SOURCE_LANGUAGE), entries(language)
    assert list(ours) == list(english)
    for key, entry in ours.items():
        text = str(entry.string)
        assert text.strip() == text != "", key
        assert not entry.fuzzy, key
        assert sorted(NAME.findall(text)) == sorted(NAME.findall(english[key])), key
        assert " ".join(entry.auto_comments).endswith(f"English: {english[key]}"), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_fit_where_the_platforms_put_them(language: str) -> None:
    """Titles and buttons of forms, the list's button and the menu's lines keep the platforms' limits."""
    allowed = limits()
    assert allowed["form.order.title"] == allowed["form.complaint.title"] == allowed["form.send"] == 24
    assert allowed["form.close"] == 24 and allowed["list.open"] == 20 and allowed["command.privacy"] == 60
    ours = words(language)
    assert {key: ours[key] for key, most in allowed.items() if units(ours[key]) > most} == {}


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_english_is_left_over(language: str) -> None:
    """No word is the English one, none holds an English word, and other scripts hold no Latin letters."""
    english = words(SOURCE_LANGUAGE)
    for key, text in words(language).items():
        assert text != english[key], key
        bare = NAME.sub("", text)
        assert not ENGLISH_WORDS & set(re.findall(r"[a-z']+", bare.lower())), key
        if not LATIN.search(str(locale_of(language).display_name)):
            assert not LATIN.search(bare), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_connectors_get_the_words_of_the_language(language: str) -> None:
    """The interface of a platform speaks the language, with the values filled in."""
    interface = Interface(language, "platform")
    assert interface("home.title", shop="Northwind").replace("Northwind", "{shop}") == words(language)["home.title"]
    assert "100234" in interface("form.order.error", example="100234")
    assert "500" in interface("form.too_long", count=500)


@pytest.mark.parametrize("language", LANGUAGES)
def test_ready_made_replies_are_complete_and_short(language: str) -> None:
    """The same eight in every language, each with a name of its own, known variables and at most 300 characters."""
    ours = replies(language)
    assert len(ours) == len(replies(SOURCE_LANGUAGE)) == 8
    assert all(set(reply) == {"name", "text"} for reply in ours)
    names = [reply["name"] for reply in ours]
    assert all(name.strip() for name in names) and len(set(names)) == 8
    # What a platform's menu of replies shows of a name.
    assert max(map(units, names)) <= 75
    for reply in ours:
        assert set(NAME.findall(reply["text"])) <= REPLY_NAMES, reply["name"]
        assert 0 < units(reply["text"]) <= REPLY_LIMIT, reply["name"]
    assert "{agent}" in ours[0]["text"] and "{shop}" in ours[0]["text"]
    assert "3" in ours[4]["text"] and "5" in ours[4]["text"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reply_reads_well_without_the_customers_name(language: str) -> None:
    """A customer whose name is unknown gets neither a stray mark at the start nor two marks in a row."""
    for reply in replies(language):
        text = filled(reply["text"], {"customer": "", "agent": "Maya", "shop": "Northwind & Lotus"})
        assert not STRAY.search(text), text
        named = filled(reply["text"], {"customer": "Ana", "agent": "Maya", "shop": "Northwind & Lotus"})
        assert ("Ana" in named) == ("{customer}" in reply["text"])


@pytest.mark.parametrize("language", TRANSLATED)
def test_replies_are_translated(language: str) -> None:
    """No name and no text is the English one."""
    for ours, english in zip(replies(language), replies(SOURCE_LANGUAGE), strict=True):
        assert ours["name"] != english["name"] and ours["text"] != english["text"]


def test_there_are_replies_for_the_configured_languages_only(config: Config) -> None:
    """No file lies about that nobody is offered."""
    assert {path.stem for path in (ROOT / "replies").glob("*.yml")} == set(config.settings.languages)
