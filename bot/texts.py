"""From text key and language to words: translations, plurals, numbers, money, dates.

English is ``responses:`` in ``domain.yml``; every other language is a gettext catalogue
``bot/locales/<language>/LC_MESSAGES/linguadesk.po`` whose ``msgid`` is the text key. A further
wording of a key is ``key#2``, the title of its first button ``key.button1``. The desk's own
interface is a second catalogue, ``desk.po``, English included. Babel formats numbers, money and
dates; plural forms follow each catalogue's ``Plural-Forms``, English follows CLDR.
"""

from __future__ import annotations

import gettext
import io
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_time, get_datetime_format, get_timezone_name
from babel.lists import format_list
from babel.messages import mofile, pofile
from babel.messages.catalog import Catalog
from babel.numbers import format_currency, format_decimal

from bot.config import ConfigError, Problem, Shop
from bot.contracts import Button, Media, Moment, Money, OutButton, Param, Reply, TextKey
from bot.domain import Domain, Response, Variant
from bot.storage import now

log = logging.getLogger(__name__)

LOCALES = Path(__file__).parent / "locales"
SOURCE_LANGUAGE = "en"
# The parameters that every text may use.
EVERYWHERE = frozenset({"shop", "languages", "example"})
# First-strong isolate and its end: keeps a number or a Latin name from upsetting the order of a
# right-to-left sentence (Unicode Standard Annex 9).
ISOLATE, END_ISOLATE = "\u2068", "\u2069"
# The year in a pattern of dates, with the comma, the "de" or the word for "year" that goes with it.
_YEAR = re.compile(r"[\s,،]*(?:'de'\s*)?y+(?:\s*'[^']*')?\.?[年년]?")


@dataclass(frozen=True, slots=True)
class Rendered:
    """The words of one reply in one language; ``asks`` is the slot that it asks for."""

    text: str
    language: str
    buttons: tuple[OutButton, ...] = ()
    media: tuple[Media, ...] = ()
    quick_replies: tuple[OutButton, ...] = ()
    asks: str = ""


def joined(messages: list[Rendered]) -> list[Rendered]:
    """Texts that follow each other become one message, up to the first that has buttons or a file.

    One message is easier to read than three, and platforms allow about one a second.
    """
    whole: list[Rendered] = []
    for message in messages:
        before = whole[-1] if whole else None
        if before is None or before.buttons or before.quick_replies or before.media:
            whole.append(message)
        else:
            whole[-1] = replace(message, text=f"{before.text}\n{message.text}", asks=message.asks or before.asks)
    return whole


@lru_cache(maxsize=64)
def locale_of(language: str) -> Locale:
    """Babel's locale of a language code such as ``zh-Hans``."""
    return Locale.parse(language, sep="-")


def language_name(language: str, in_language: str | None = None) -> str:
    """The name of a language, in itself or in another language."""
    locale = locale_of(language)
    name = locale.get_display_name(locale_of(in_language or language)) or language
    return name[:1].upper() + name[1:] if in_language is None else name


def catalogue_path(language: str, domain: str = "linguadesk") -> Path:
    """Where the catalogue of a language stands."""
    return LOCALES / language / "LC_MESSAGES" / f"{domain}.po"


def read_catalogue(path: Path, language: str) -> Catalog:
    """Read a ``.po`` file.

    Raises:
        ConfigError: the file is missing or is no catalogue, with the line.
    """
    name = f"bot/locales/{language}/LC_MESSAGES/{path.name}"
    try:
        with path.open("rb") as stream:
            return pofile.read_po(stream, locale=str(locale_of(language)), abort_invalid=True)
    except FileNotFoundError:
        raise ConfigError(Problem(name, 0, f"the translation into {language} is missing")) from None
    except pofile.PoFileError as error:
        raise ConfigError(
            Problem(name, (getattr(error, "lineno", None) or 0) + 1, f"not a gettext catalogue: {error}")
        ) from None


def _translations(path: Path, language: str) -> gettext.GNUTranslations:
    compiled = io.BytesIO()
    mofile.write_mo(compiled, read_catalogue(path, language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def messages_of(response: Response) -> Iterator[tuple[str, str, bool]]:
    """The catalogue entries of a response as ``(msgid, English, is plural)``."""
    if response.plural_by:
        others = [variant.text for variant in response.variants if variant.plural == "other"]
        yield response.key, others[0] if others else response.variants[-1].text, True
    else:
        for index, variant in enumerate(response.variants, 1):
            yield (response.key if index == 1 else f"{response.key}#{index}"), variant.text, False
    for index, (title, _payload) in enumerate(response.variants[0].buttons, 1):
        yield f"{response.key}.button{index}", title, False


class Texts:
    """All wordings of all configured languages.

    Args:
        domain: where the English wording and the buttons come from.
        languages: the configured languages.
        shop: name, time zone.

    Raises:
        ConfigError: a catalogue is missing or broken.
    """

    def __init__(self, domain: Domain, languages: Sequence[str], shop: Shop) -> None:
        self._responses = domain.responses
        self.languages = tuple(languages)
        self.default_language = shop.default_language
        self._shop = shop
        self._zone = ZoneInfo(shop.timezone)
        self._catalogues = {
            language: _translations(catalogue_path(language), language)
            for language in languages
            if language != SOURCE_LANGUAGE
        }

    @property
    def shop(self) -> Shop:
        """The merchant."""
        return self._shop

    def warm_up(self, language: str) -> None:
        """Load what Babel knows of a language, which takes some hundredths of a second."""
        self._everywhere(language)
        self.format(datetime.now(self._zone), language)

    def has(self, key: str) -> bool:
        """Whether this text key exists."""
        return key in self._responses

    def render(self, reply: Reply, language: str, variation: int = 0) -> Rendered:
        """The words of a reply.

        Args:
            reply: what to say.
            language: one of the configured languages.
            variation: which of several wordings to take, counted round.
        """
        buttons = list(self._static_buttons(reply.key, language)) if reply.key else []
        buttons += [OutButton(self._title(button, language), button.payload) for button in reply.buttons]
        text = reply.text or self.text(reply.key, language, reply.params, variation)
        quick = tuple(OutButton(self._title(button, language), button.payload) for button in reply.quick_replies)
        return Rendered(text, language, tuple(buttons), reply.media, quick, reply.asks)

    def text(self, key: str, language: str, params: Mapping[str, Param] | None = None, variation: int = 0) -> str:
        """The words of one text key in one language, with its parameters formatted.

        Raises:
            KeyError: there is no such key, or a parameter is missing.
        """
        response = self._responses[key]
        values = dict(params or {})
        template = self._template(response, language, values, variation)
        if "{" not in template:
            return template
        shown = self._everywhere(language) | {name: self.format(value, language) for name, value in values.items()}
        return template.format_map(shown)

    @lru_cache(maxsize=64)  # noqa: B019 (one instance lives as long as the program)
    def _everywhere(self, language: str) -> dict[str, str]:
        """The parameters that every text may use."""
        names = [language_name(code, language) for code in self.languages]
        return {
            "shop": self._shop.name,
            "languages": format_list(names, locale=locale_of(language)),
            "example": self._shop.order_number_example,
        }

    def _template(self, response: Response, language: str, values: Mapping[str, Param], variation: int) -> str:
        catalogue = self._catalogues.get(language)
        if response.plural_by:
            count = values[response.plural_by]
            if not isinstance(count, int):
                raise KeyError(f"{response.key}: {response.plural_by} must be a whole number")
            if catalogue is not None:
                translated = catalogue.ngettext(response.key, response.key, count)
                if translated != response.key:
                    return translated
            return _english_plural(response, count).text
        index = variation % len(response.variants)
        msgid = response.key if index == 0 else f"{response.key}#{index + 1}"
        if catalogue is not None:
            translated = catalogue.gettext(msgid)
            if translated != msgid:
                return translated
            log.warning("no translation of %s into %s", msgid, language)
        return response.variants[index].text

    def _static_buttons(self, key: str, language: str) -> Iterator[OutButton]:
        catalogue = self._catalogues.get(language)
        for index, (title, payload) in enumerate(self._responses[key].variants[0].buttons, 1):
            msgid = f"{key}.button{index}"
            translated = catalogue.gettext(msgid) if catalogue is not None else msgid
            yield OutButton(title if translated == msgid else translated, payload)

    def _title(self, button: Button, language: str) -> str:
        if isinstance(button.title, TextKey):
            return self.text(button.title.key, language, button.title.params)
        return button.title

    def format(self, value: Param, language: str) -> str:
        """One parameter as the language writes it."""
        locale = locale_of(language)
        if isinstance(value, TextKey):
            return self.text(value.key, language, value.params)
        if isinstance(value, Money):
            return self._isolated(format_currency(value.amount, value.currency, locale=locale), locale)
        if isinstance(value, Moment):
            return self._isolated(self._moment(value, locale), locale)
        if isinstance(value, datetime):
            return self._isolated(format_datetime(value, "medium", tzinfo=self._zone, locale=locale), locale)
        if isinstance(value, date):
            return self._isolated(format_date(value, "long", locale=locale), locale)
        if isinstance(value, int | float | Decimal):
            return self._isolated(format_decimal(value, locale=locale), locale)
        if isinstance(value, str):
            return self._isolated(value, locale)
        return "\n".join(self.format(item, language) for item in value)

    def _moment(self, moment: Moment, locale: Locale) -> str:
        zone = ZoneInfo(moment.zone) if moment.zone else self._zone
        local = moment.at.astimezone(zone)
        pattern = str(locale.date_formats["full"].pattern)
        if local.year == now().astimezone(zone).year:
            pattern = _YEAR.sub("", pattern).strip()
        day = format_date(local.date(), pattern, locale=locale)
        hour = format_time(local, "short", tzinfo=zone, locale=locale)
        both = str(get_datetime_format("full", locale=locale)).replace("'", "")
        text = both.replace("{0}", hour).replace("{1}", day)
        return text if moment.zone else f"{text} ({get_timezone_name(local, locale=locale)})"

    def day(self, moment: datetime) -> date:
        """The calendar day of a moment in the merchant's time zone."""
        return moment.astimezone(self._zone).date()

    @staticmethod
    def _isolated(text: str, locale: Locale) -> str:
        # Around a link the marks would become part of it: it is drawn from left to right as it is.
        if locale.text_direction != "rtl" or "\n" in text or text.startswith(("https://", "http://")):
            return text
        return f"{ISOLATE}{text}{END_ISOLATE}"


def _english_plural(response: Response, count: int) -> Variant:
    category = locale_of(SOURCE_LANGUAGE).plural_form(count)
    for variant in response.variants:
        if variant.plural == category:
            return variant
    return response.variants[-1]


class Interface:
    """The interface's own words: one catalogue of one language; a missing word falls back to English.

    Args:
        language: one of the languages that have the catalogue.
        domain: the catalogue, ``desk`` or ``chat``.

    Raises:
        ConfigError: the catalogue is missing or broken.
    """

    def __init__(self, language: str, domain: str = "desk") -> None:
        self.language = language
        self.locale = locale_of(language)
        self._catalogue: gettext.NullTranslations = _translations(catalogue_path(language, domain), language)
        if language != SOURCE_LANGUAGE:
            self._catalogue.add_fallback(_translations(catalogue_path(SOURCE_LANGUAGE, domain), SOURCE_LANGUAGE))

    def __call__(self, key: str, **params: Any) -> str:
        """The words of ``key``, with ``{name}`` replaced by the parameters."""
        words = self._catalogue.gettext(key)
        return words.format(**params) if params else words
