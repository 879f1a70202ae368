"""The agents' side: a channel in which each hand-over is a card, with a thread that is private to the agents."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from slack_bolt import BoltResponse

from bot.contracts import Card, Note, PermanentError, Room, RoomAction, RoomView
from bot.texts import Interface, language_name
from bot.words import NOTHING, interface
from connectors import Host
from connectors.slack.api import Api
from connectors.slack.blocks import escape
from connectors.slack.cards import action_of, card_message, comment, note_message
from connectors.slack.convert import to_inbound
from connectors.slack.errors import LOST, Refused, RefusedForm, explained
from connectors.slack.forms import ANSWER, CANNED, MAX_REPLY, REPLY, Place, answer_field, filled, reply_form
from connectors.slack.intake import Intake, NotStored, done, not_done
from connectors.slack.people import People
from connectors.slack.words import words

log = logging.getLogger(__name__)

CHANNEL = "slack"


class SlackAgents:
    """The agents' channel (:class:`bot.contracts.AgentSpace`); a room is a card and its thread."""

    def __init__(self, api: Api, chat: str) -> None:
        self._api = api
        self.chat = chat

    async def show(self, room: Room, card: Card) -> Room:
        """Bring the card up to date; post it where there is none yet, or where somebody has deleted it.

        Raises:
            TemporaryError: not now.
            PermanentError: never, such as when the bot is not in the channel any more.
        """
        if room.thread and room.card:
            try:
                await self._update(room, card)
                return room
            except Refused as error:
                if error.code not in LOST:
                    raise
                room = Room(room.chat)
        chat = room.chat or self.chat
        thread = {"thread_ts": room.thread} if room.thread else {}
        stamp = await self._api.post(chat, card_message(card), **thread)
        return replace(room, chat=chat, thread=room.thread or stamp, card=stamp)

    async def note(self, room: Room, note: Note) -> None:
        """Say something in the card's thread. Raises like :meth:`show`."""
        place = {"thread_ts": room.thread} if room.thread else {}
        if note.only_for:
            text = note_message(replace(note, alert=False))["text"]
            await self._api.call("chat.postEphemeral", channel=room.chat, user=note.only_for, text=text, **place)
            return
        if note.media:
            try:
                await self._api.upload(room.chat, note.media, room.thread, comment(note))
                return
            except Refused:
                raise
            except PermanentError as error:
                # The words are to be read even where the files cannot be had.
                log.warning("Slack: the agents do not get a file: %s", error)
                names = "\n".join(f"📎 {item.name}" for item in note.media)
                note = replace(note, text=f"{note.text}\n{names}", media=())
        message = note_message(note)
        await self._api.post(room.chat, message, **place)

    async def close(self, room: Room, card: Card) -> None:
        """Show the card as it ended, without buttons. Raises like :meth:`show`."""
        if not room.card:
            return
        try:
            await self._update(room, replace(card, actions=(), hint=""))
        except Refused as error:
            if error.code not in LOST:
                raise

    async def announce(self, note: Note) -> None:
        """Say something in the channel itself, with a picture if it has one. Raises like :meth:`show`."""
        if note.media:
            await self.note(Room(self.chat), note)
            return
        message = note_message(note)
        # Only what is said in a thread can be shown in the channel as well.
        message.pop("reply_broadcast", None)
        await self._api.post(self.chat, message)

    async def _update(self, room: Room, card: Card) -> None:
        message = card_message(card)
        try:
            await self._api.call("chat.update", channel=room.chat, ts=room.card, **message)
        except RefusedForm:
            log.warning("Slack refused the form of a card; showing its words alone")
            # Without blocks of its own a message keeps those it has.
            await self._api.call("chat.update", channel=room.chat, ts=room.card, text=message["text"], blocks=[])


class AgentActions:
    """What agents do with cards and with the form for replies.

    Args:
        api: calls to Slack.
        host: what the program lends.
        people: names.
        intake: the door to the inbox.
        chat: the agents' channel; presses elsewhere are nobody's.
    """

    def __init__(self, api: Api, host: Host, people: People, intake: Intake, chat: str) -> None:
        self._api = api
        self._host = host
        self._people = people
        self._intake = intake
        self._chat = chat

    async def pressed(self, body: Mapping[str, Any]) -> BoltResponse:
        """A button of a card: stored before Slack is told, or the form for a reply."""
        action, message = body["actions"][0], body.get("message") or {}
        channel = (body.get("channel") or {}).get("id") or ""
        if channel != self._chat:
            return done()
        thread = message.get("thread_ts") or message["ts"]
        event = to_inbound(body)
        try:
            room = await self._room(channel, thread)
            if room is None or not room.going_on:
                self._api.spawn(self._gone(body, thread, room))
            elif action_of(action) is RoomAction.REPLY:
                self._api.spawn(self._open(body, Place(channel, thread), room))
            elif event is not None:
                await self._intake.commit(event)
        except NotStored:
            self._api.spawn(self._failed(body, thread))
            return not_done()
        return done()

    async def _room(self, channel: str, thread: str) -> RoomView | None:
        """What is known of a room, None if there is none. Raises :class:`NotStored` when nobody can say."""
        try:
            return await self._host.room(CHANNEL, channel, thread)
        except Exception as error:
            log.error("Slack: a room cannot be looked up: %s", type(error).__name__)
            raise NotStored("no answer") from None

    async def _open(self, body: Mapping[str, Any], place: Place, room: RoomView) -> None:
        """Open the form for a reply; Slack takes this only within three seconds of the press."""
        try:
            view = self._form(place, room)
            await self._api.call("views.open", trigger_id=body["trigger_id"], view=view)
        except Exception as error:
            log.warning("Slack: a form could not be opened: %s", explained(error))
            await self._failed(body, place.thread)

    def _form(self, place: Place, room: RoomView, text: str = "", field: str = "") -> dict[str, Any]:
        said = self._said(room)
        language = language_name(room.language, said.language) if room.language else NOTHING
        return reply_form(place, said, language, [name for name, _ in room.canned], text, field)

    def _said(self, room: RoomView | None) -> Interface:
        return interface(room.desk_language if room else self._host.config.settings.shop.default_language)

    async def chosen(self, body: Mapping[str, Any]) -> BoltResponse:
        """A ready-made reply was chosen in the form: it goes below what stands in the field already."""
        self._api.spawn(self._put_in(body))
        return done()

    async def _put_in(self, body: Mapping[str, Any]) -> None:
        view, action = body["view"], body["actions"][0]
        place = Place.of(view)
        try:
            room = await self._host.room(CHANNEL, place.chat, place.thread)
            number = int(action["selected_option"]["value"])
            if room is None or number >= len(room.canned):
                return
            text = "\n".join(filter(None, (filled(view).get(ANSWER, ""), room.canned[number][1])))
            # Slack shows another text in a field only if the field is a new one.
            field = f"_{action['action_ts']}"
            changed = self._form(place, room, text, field)
            await self._api.call("views.update", view_id=view["id"], hash=view["hash"], view=changed)
        except Exception as error:
            log.warning("Slack: a ready-made reply was not put in: %s", explained(error))

    async def submitted(self, body: Mapping[str, Any]) -> BoltResponse:
        """A reply was sent: stored before the form closes; else the form stays, with an error."""
        view = body["view"]
        place, text, field = Place.of(view), filled(view).get(ANSWER, ""), answer_field(view)
        if place.chat != self._chat:
            return done()
        event, error = to_inbound(body), ""
        try:
            room = await self._room(place.chat, place.thread)
            said = self._said(room)
            if room is None or not room.going_on:
                error = said("room.gone")
            elif not text:
                error = said("room.form.empty")
            elif len(text) > MAX_REPLY:
                error = said("room.form.too_long", count=MAX_REPLY)
            elif event is not None:
                await self._intake.commit(event)
        except NotStored:
            error = words(self._people.guess(body["user"]["id"]))("answer.failed")
        if error:
            return done({"response_action": "errors", "errors": {field: error}})
        return done()

    async def _gone(self, body: Mapping[str, Any], thread: str, room: RoomView | None) -> None:
        await self._whisper(body, thread, self._said(room)("room.gone"))

    async def _failed(self, body: Mapping[str, Any], thread: str) -> None:
        await self._whisper(body, thread, words(self._people.guess(body["user"]["id"]))("answer.failed"))

    async def _whisper(self, body: Mapping[str, Any], thread: str, text: str) -> None:
        """Tell the one who pressed; in the channel, where the card is, unless they pressed in the thread."""
        inside = (body.get("container") or {}).get("thread_ts") or ""
        await self._api.whisper(
            escape(text), body["user"]["id"], self._chat, thread if inside else "", body.get("response_url") or ""
        )


def is_agents(body: Mapping[str, Any]) -> bool:
    """Whether an interaction is an agent's: with a card, or with the form for replies."""
    action: Mapping[str, Any] = next(iter(body.get("actions") or ()), {})
    form = (body.get("view") or {}).get("callback_id")
    return action_of(action) is not None or action.get("action_id") == CANNED or form == REPLY
