"""Translators' catalogues: bringing them up to date with ``domain.yml``, and finding what is amiss.

Each entry's extracted comment (``#.``) holds the English wording it was translated from. When that
changes, the entry is marked fuzzy, which every gettext tool shows and the tests refuse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from babel.messages import pofile
from babel.messages.catalog import Catalog, Message

from bot.config import Problem
from bot.domain import PLACEHOLDER, Domain
from bot.texts import SOURCE_LANGUAGE, catalogue_path, locale_of, messages_of, read_catalogue


def expected(domain: Domain) -> dict[str, tuple[str, bool]]:
    """Every catalogue entry that ``domain.yml`` calls for: msgid to (English, is plural)."""
    return {
        msgid: (english, plural)
        for response in domain.responses.values()
        for msgid, english, plural in messages_of(response)
    }


def _comment(english: str) -> str:
    """English wording on one line, as a comment can hold it."""
    return english.replace("\n", "\\n")


def update(domain: Domain, language: str) -> Path:
    """Write a language's catalogue anew: present entries, translations kept, changed ones fuzzy."""
    path = catalogue_path(language)
    old = read_catalogue(path, language) if path.exists() else Catalog(locale=str(locale_of(language)))
    fresh = Catalog(
        locale=str(locale_of(language)),
        project="Linguadesk",
        header_comment=f"# What Linguadesk says to customers, in {locale_of(language).get_display_name('en')}.",
        fuzzy=False,
    )
    for msgid, (english, plural) in expected(domain).items():
        known = _entry(old, msgid)
        identity = (msgid, msgid) if plural else msgid
        string = known.string if known is not None and known.pluralizable == plural else None
        fresh.add(identity, string=string, auto_comments=[_comment(english)])
        added = _entry(fresh, msgid)
        if known is not None and added is not None and string:
            if known.fuzzy or " ".join(known.auto_comments) != _comment(english):
                added.flags.add("fuzzy")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        pofile.write_po(stream, fresh, width=0, omit_header=False)
    return path


def _entry(catalogue: Catalog, msgid: str) -> Message | None:
    found: Message | None = catalogue.get(msgid)
    return found


def examine(domain: Domain, languages: Sequence[str]) -> Iterator[Problem]:
    """Missing, stale, unknown translations and wrong placeholders, by file and line."""
    wanted = expected(domain)
    for language in languages:
        if language == SOURCE_LANGUAGE:
            continue
        name = f"bot/locales/{language}/LC_MESSAGES/linguadesk.po"
        catalogue = read_catalogue(catalogue_path(language), language)
        for msgid, (english, plural) in wanted.items():
            entry = _entry(catalogue, msgid)
            strings: tuple[str, ...] = ()
            if entry is not None:
                strings = tuple(entry.string) if isinstance(entry.string, list | tuple) else (entry.string,)
            line = entry.lineno or 0 if entry is not None else 0
            if entry is None or not strings or not all(strings):
                yield Problem(name, line, f"{msgid} is not translated: {english!r}")
                continue
            if entry.fuzzy or " ".join(entry.auto_comments) != _comment(english):
                yield Problem(name, line, f"{msgid} is stale; the English is now {english!r}")
            if plural != isinstance(entry.string, tuple):
                yield Problem(name, line, f"{msgid} needs {'plural forms' if plural else 'one form'}")
            for string in strings:
                names, given = set(PLACEHOLDER.findall(english)), set(PLACEHOLDER.findall(string))
                # A form for exactly one may leave the number out.
                if given - names or (names - given and not (plural and names - given == {"count"})):
                    yield Problem(name, line, f"{msgid} must use {sorted(names)}, it uses {sorted(given)}")
        for entry in catalogue:
            if entry.id and (entry.id if isinstance(entry.id, str) else entry.id[0]) not in wanted:
                yield Problem(name, entry.lineno or 0, f"{entry.id!r} is not in domain.yml")
