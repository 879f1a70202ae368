"""Translation between customers and agents who have no language in common; off unless it is configured."""

from __future__ import annotations

from dataclasses import dataclass

from bot.config import Config
from bot.contracts import LanguageGuess, Recognizer, Translator
from bot.translation.libretranslate import LibreTranslate
from bot.translation.tokens import with_tokens

__all__ = ["AS_WRITTEN", "Faithful", "ForReply", "as_written", "create", "for_reply", "language_of"]

# Of a longer text the beginning is translated.
MAX_TEXT = 10_000
# An agent's reply that begins with this is sent as it is written.
AS_WRITTEN = "="
ELLIPSIS = " …"


class Faithful:
    """A :class:`bot.contracts.Translator` that loses nothing: links, addresses and numbers that the engine
    has changed stand below the translation as they were.

    Args:
        engine: what translates.
        order_number: what the merchant's order numbers look like (a regular expression).
    """

    def __init__(self, engine: Translator, order_number: str = "") -> None:
        self.name = engine.name
        self._engine = engine
        self._order_number = order_number

    async def translate(self, text: str, source: str, target: str) -> str:
        """See :class:`bot.contracts.Translator`. Of a text beyond :data:`MAX_TEXT` characters the beginning."""
        if len(text) > MAX_TEXT:
            text = text[:MAX_TEXT] + ELLIPSIS
        return with_tokens(text, await self._engine.translate(text, source, target), self._order_number)

    async def languages(self) -> frozenset[tuple[str, str]]:
        """See :class:`bot.contracts.Translator`."""
        return await self._engine.languages()

    async def close(self) -> None:
        """See :class:`bot.contracts.Translator`."""
        await self._engine.close()


def create(config: Config) -> Translator | None:
    """The translator that the settings name; None where translation is off."""
    settings = config.settings.translation
    if settings.engine == "off":
        return None
    engine = LibreTranslate(settings.url, config.translation_key, settings.timeout_seconds)
    return Faithful(engine, config.settings.shop.order_number_pattern)


def as_written(text: str) -> str:
    """A reply without the sign that it is to be sent as it is."""
    return text.strip().removeprefix(AS_WRITTEN).lstrip()


@dataclass(frozen=True, slots=True)
class ForReply:
    """What an agent has written, ready for the customer.

    ``text`` is what is sent. ``original`` is what the agent wrote, in ``original_language``, and ``engine``
    what translated it; all three are empty where nothing was translated.
    """

    text: str
    original: str = ""
    original_language: str = ""
    engine: str = ""


async def for_reply(translator: Translator | None, text: str, source: str, target: str) -> ForReply:
    """An agent's words in the customer's language; takes its time, so call it outside of a transaction.

    Without a translator, from a language into itself, and behind :data:`AS_WRITTEN`, words stay as they are.

    Raises:
        TemporaryError: the translator does not answer; the same may work later.
        PermanentError: it does not translate this.
    """
    text = text.strip()
    if text.startswith(AS_WRITTEN):
        return ForReply(as_written(text))
    if translator is None or not text or not source or not target or source == target:
        return ForReply(text)
    made = await translator.translate(text, source, target)
    return ForReply(made, text, source, translator.name)


async def language_of(recognizer: Recognizer | None, text: str, sure: float) -> str:
    """The configured language that a text is clearly in, ``""`` where that cannot be said.

    Args:
        recognizer: who knows; None: nobody.
        text: what was written.
        sure: how sure it must be, between 0 and 1.
    """
    if recognizer is None or not text.strip():
        return ""
    guess: LanguageGuess = (await recognizer.parse(text)).language
    return guess.language if guess.confidence >= sure else ""
