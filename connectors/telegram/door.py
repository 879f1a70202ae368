"""What agents do in their group becomes events; whatever else is written there stays among them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from bot.contracts import Address, Inbound, Kind, RoomAction
from bot.texts import Interface, language_name
from bot.words import interface
from connectors import Host
from connectors.common import utf16_length
from connectors.telegram.agents import PRESSED, TelegramAgents
from connectors.telegram.api import Api
from connectors.telegram.content import spoken
from connectors.telegram.convert import address_of, is_person, locale_of, name_of, place
from connectors.telegram.courtesy import Courtesies

PEN = "✍"

_COMMAND = re.compile(r"/(r|claim|resolve|back)(?:@([A-Za-z0-9_]{3,32}))?(?:\s+(.*))?", re.IGNORECASE | re.DOTALL)

After: TypeAlias = "Callable[[], Awaitable[None]] | None"


class Heard(NamedTuple):
    """What an agent wants. ``query`` is the id of a press, ``form`` whether the words are still to come;
    ``refusal`` is the key of the words in which it is refused."""

    action: RoomAction
    address: Address
    agent: Mapping[str, Any]
    text: str = ""
    query: str = ""
    form: bool = False
    refusal: str = ""


def marker(username: str) -> str:
    """The link in a prompt, by which an answer to the prompt is known as words for the customer."""
    return f"https://t.me/{username}?start=reply"


def heard(update: Mapping[str, Any], username: str) -> Heard | None:
    """What an agent asks for; None for everything that is private to the group.

    Args:
        update: an update from the agents' group.
        username: the bot's own user name.
    """
    if query := update.get("callback_query"):
        return _pressed(query)
    message = update.get("message")
    if not message or not is_person(message.get("from")) or "forward_origin" in message:
        return None
    text, _entities = spoken(message)
    sender = message["from"]
    address = address_of(message, sender)
    command = _COMMAND.fullmatch(text)
    if command and (command[2] or username).casefold() == username.casefold():
        words = (command[3] or "").strip()
        if command[1].lower() != "r":
            return Heard(RoomAction(command[1].lower()), address, sender)
    elif _answers_prompt(message, username):
        words = text.strip()
    else:
        return None
    refusal = "room.only_text" if "text" not in message else "" if words else "room.form.empty"
    return Heard(RoomAction.REPLY, address, sender, words, refusal=refusal)


def agent_event(update: Mapping[str, Any], username: str) -> Inbound | None:
    """What an agent asks for as an event; None for what is private, refused, or a form to be filled in first."""
    wish = heard(update, username)
    if wish is None or wish.refusal or wish.form:
        return None
    return Inbound(
        external_id=str(update["update_id"]),
        address=wish.address,
        text=wish.text,
        payload=wish.action.value,
        locale=locale_of(wish.agent),
        name=name_of(wish.agent),
        kind=Kind.AGENT,
        message_id=str((update.get("message") or {}).get("message_id", "")),
    )


def _pressed(query: Mapping[str, Any]) -> Heard | None:
    message, sender, data = query.get("message"), query["from"], query.get("data", "")
    name = data.removeprefix(PRESSED)
    if not message or not is_person(sender) or name == data or name not in set(RoomAction):
        return None
    action = RoomAction(name)
    return Heard(action, address_of(message, sender), sender, query=query["id"], form=action is RoomAction.REPLY)


def _answers_prompt(message: Mapping[str, Any], username: str) -> bool:
    prompt = message.get("reply_to_message") or {}
    if (prompt.get("from") or {}).get("username", "").casefold() != username.casefold():
        return False
    return any(entity.get("url") == marker(username) for entity in prompt.get("entities", ()))


def prompt(words: str, name: str, user: int, username: str) -> dict[str, Any]:
    """The message that asks one agent for the words, which their app answers at once."""
    mention = {"id": user, "is_bot": False, "first_name": name}
    offset = len(PEN) + 1
    return {
        "text": f"{PEN} {name}: {words}",
        "entities": [
            {"type": "text_link", "offset": 0, "length": len(PEN), "url": marker(username)},
            {"type": "text_mention", "offset": offset, "length": utf16_length(name), "user": mention},
        ],
        "reply_markup": {"force_reply": True, "selective": True},
        "link_preview_options": {"is_disabled": True},
    }


class Door:
    """Takes what happens in the agents' group.

    Args:
        host: what is known of rooms.
        api: the bot's access.
        agents: the group.
        courtesies: where small answers are sent from.
    """

    def __init__(self, host: Host, api: Api, agents: TelegramAgents, courtesies: Courtesies) -> None:
        self._host = host
        self._api = api
        self._agents = agents
        self._courtesies = courtesies

    async def read(self, update: Mapping[str, Any], username: str) -> tuple[Inbound | None, After]:
        """The event, if it is one for the desk, and what is to be done once it is committed."""
        query = update.get("callback_query")
        if (wish := heard(update, username)) is None:
            return None, partial(self._courtesies.pressed, query) if query else None
        address, name = wish.address, name_of(wish.agent)
        self._agents.names[address.user] = wish.agent.get("first_name", "")
        view = await self._host.room(address.channel, address.chat, address.thread)
        words = self._words(view.desk_language if view else "")
        refusal = wish.refusal
        if view is None or not view.going_on:
            refusal = "room.gone"
        if refusal:
            return None, partial(self._tell, wish, query, words(refusal))
        if view is not None and wish.form:
            language = language_name(view.language, words.language) if view.language else "–"
            asked = prompt(words("room.prompt", language=language), name or "–", wish.agent["id"], username)
            return None, partial(self._ask, wish, query, asked)
        return agent_event(update, username), partial(self._courtesies.pressed, query) if query else None

    def _words(self, language: str) -> Interface:
        return interface(language or self._host.config.settings.shop.default_language)

    async def _tell(self, wish: Heard, query: Mapping[str, Any] | None, words: str) -> None:
        """Say why not: to whoever pressed alone, or in the topic."""
        if query:
            await self._courtesies.pressed(query, words)
            return
        await self._send(wish, {"text": words})

    async def _ask(self, wish: Heard, query: Mapping[str, Any] | None, asked: dict[str, Any]) -> None:
        if query:
            await self._courtesies.pressed(query)
        await self._send(wish, asked)

    async def _send(self, wish: Heard, what: dict[str, Any]) -> None:
        where = place(wish.address.chat, wish.address.thread)
        await self._courtesies.try_to("answering an agent", lambda: self._api.call("sendMessage", **where, **what))
