"""What customers do in Slack: write, mention, command, press, fill in forms, look at the home page."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import Any

from slack_bolt import BoltResponse

from bot.contracts import Address, Inbound
from bot.storage import wait
from bot.storage.models import Inbox, InboxStatus, TicketType
from connectors import Host
from connectors.slack.api import Api
from connectors.slack.blocks import escape, unescape
from connectors.slack.convert import after_press, chosen, is_person, to_inbound
from connectors.slack.errors import explained
from connectors.slack.forms import (
    COMPLAINT,
    DESCRIPTION,
    MAX_DESCRIPTION,
    MAX_ORDER_NUMBER,
    NUMBER,
    ORDER,
    TYPE,
    Place,
    complaint_form,
    filled,
    order_form,
)
from connectors.slack.home import home_view
from connectors.slack.intake import Intake, NotStored, done, not_done
from connectors.slack.people import People
from connectors.slack.words import words

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
PATIENCE_SECONDS = 30.0
MAX_OPENED = 1000


class Customers:
    """The customers' side. Each method answers Slack with what it returns.

    Args:
        api: calls to Slack.
        host: what the program lends.
        people: names and languages.
        intake: the door to the inbox.
    """

    def __init__(self, api: Api, host: Host, people: People, intake: Intake) -> None:
        self._api = api
        self._host = host
        self._people = people
        self._intake = intake
        # Messages below which a form was opened, so that their buttons can go once it is sent. Where
        # that is forgotten the buttons stay, and can be pressed again.
        self._opened: dict[tuple[str, str], Mapping[str, Any]] = {}
        # People whose home page is being published; True: once more, it has changed meanwhile.
        self._publishing: dict[str, bool] = {}

    # Messages and presses

    async def said(self, event: Inbound) -> BoltResponse:
        """A message, an edit, a deletion. What is not stored Slack sends again."""
        try:
            await self._intake.commit(event)
        except NotStored:
            return not_done()
        return done()

    async def commanded(self, body: Mapping[str, Any]) -> BoltResponse:
        """The slash command: a message in the person's conversation with the bot."""
        event = to_inbound(body)
        if event is None:
            return done()
        user = event.address.user
        try:
            await self._intake.commit(event)
        except NotStored:
            # Slack sends a command only once, so the person is told.
            return done(self._aside(user, "answer.failed"))
        if not str(body.get("channel_id", "")).startswith("D"):
            return done(self._aside(user, "answer.direct"))
        self._api.spawn(self._point_to_direct(body, user))
        return done()

    def _aside(self, user: str, key: str) -> dict[str, object]:
        return {"response_type": "ephemeral", "text": escape(words(self._people.guess(user))(key))}

    async def _point_to_direct(self, body: Mapping[str, Any], user: str) -> None:
        """Say where the answer is to one who wrote the command in a direct message with somebody else."""
        try:
            if await self._api.real_channel(user) == body["channel_id"]:
                return
        except Exception as error:
            log.info("Slack: a direct message is not known: %s", explained(error))
            return
        text = escape(words(self._people.guess(user))("answer.direct"))
        await self._api.whisper(text, user, user, response_url=body.get("response_url") or "")

    async def pressed(self, body: Mapping[str, Any]) -> BoltResponse:
        """A button or a menu: an event, or a form that opens."""
        action: Mapping[str, Any] = next(iter(body.get("actions") or ()), {})
        if (form := action.get("action_id")) in {ORDER, COMPLAINT}:
            self._api.spawn(self._open(form, body))
            return done()
        event = to_inbound(body)
        if event is None:
            return done()
        user = event.address.user
        try:
            stored = await self._intake.commit(event)
        except NotStored:
            self._api.spawn(self._failed(body))
            return not_done()
        if call := after_press(body):
            self._api.spawn(self._chore(call))
        if (body.get("container") or {}).get("type") == "view":
            self._api.spawn(self._publish_after(user, stored), wanted=False)
        return done()

    async def _chore(self, call: Mapping[str, Any]) -> None:
        await self._api.try_on(call, "a message with a pressed button stays as it is")

    async def _failed(self, body: Mapping[str, Any]) -> None:
        """Tell the person who pressed that it did not work, where they pressed."""
        user = body["user"]["id"]
        channel = (body.get("channel") or {}).get("id") or user
        thread = (body.get("message") or {}).get("thread_ts") or ""
        text = escape(words(self._people.guess(user))("answer.failed"))
        await self._api.whisper(text, user, channel, thread, body.get("response_url") or "")

    # Forms

    async def shortcut(self, body: Mapping[str, Any]) -> BoltResponse:
        """Open a ticket from a message: the complaint form with the message's words."""
        self._api.spawn(self._open(COMPLAINT, body))
        return done()

    async def _open(self, form: str, body: Mapping[str, Any]) -> None:
        """Open a form; Slack takes this only within three seconds of the press."""
        try:
            place = await self._place(body)
            example = self._host.config.settings.shop.order_number_example
            if form == ORDER:
                view = order_form(place, example)
            else:
                message = body.get("message") or {}
                text = unescape(message.get("text") or "") if body["type"] == "message_action" else ""
                view = complaint_form(place, self._types(place.language), example, text.strip())
            await self._api.call("views.open", trigger_id=body["trigger_id"], view=view)
        except Exception as error:
            log.warning("Slack: a form could not be opened: %s", explained(error))
            await self._failed(body)
            return
        if place.ts:
            if len(self._opened) >= MAX_OPENED:
                self._opened.pop(next(iter(self._opened)))
            self._opened[place.channel, place.ts] = body["message"]

    async def _place(self, body: Mapping[str, Any]) -> Place:
        """The conversation that a form belongs to, and its language."""
        user = body["user"]["id"]
        channel = (body.get("channel") or {}).get("id") or ""
        message = body.get("message") or {}
        chat, thread, ts = user, "", ""
        if body["type"] == "block_actions" and message:
            ts = message["ts"]
            if not channel.startswith("D"):
                chat, thread = channel, message.get("thread_ts") or ""
        language = await self._people.language(Address("slack", chat, user, thread))
        home = (body.get("container") or {}).get("type") == "view"
        return Place(chat, thread, channel if ts else "", ts, home, language)

    def _types(self, language: str) -> list[tuple[str, str]]:
        return [(kind.value, self._host.texts.text(f"utter_type_{kind.value}", language)) for kind in TicketType]

    async def submitted(self, body: Mapping[str, Any]) -> BoltResponse:
        """A form that was sent: errors below its fields, or a message that is stored before it closes."""
        view, user = body["view"], body["user"]["id"]
        form, place, values = view["callback_id"], Place.of(view), filled(view)
        errors = self._errors(form, place.language, values)
        event = None if errors else to_inbound(body)
        stored = None
        if event is not None:
            try:
                stored = await self._intake.commit(event)
            except NotStored:
                last = view["blocks"][-1]["block_id"]
                errors = {last: words(place.language)("answer.failed")}
        if errors:
            return done({"response_action": "errors", "errors": errors})
        self._mark(place, values, form)
        if place.home:
            self._api.spawn(self._publish_after(user, stored), wanted=False)
        return done()

    def _errors(self, form: str, language: str, values: Mapping[str, str]) -> dict[str, str]:
        """What is wrong with the values, by field."""
        said, shop = words(language), self._host.config.settings.shop
        errors, number = {}, values.get(NUMBER, "")
        fits = len(number) <= MAX_ORDER_NUMBER and re.fullmatch(shop.order_number_pattern, number, re.IGNORECASE)
        if (form == ORDER or number) and not fits:
            errors[NUMBER] = said("form.order.error", example=shop.order_number_example)
        if form == ORDER:
            return errors
        if values.get(TYPE) not in set(TicketType):
            errors[TYPE] = said("form.complaint.type")
        description = values.get(DESCRIPTION, "")
        if not description:
            errors[DESCRIPTION] = said("form.complaint.error")
        elif len(description) > MAX_DESCRIPTION:
            errors[DESCRIPTION] = said("form.too_long", count=MAX_DESCRIPTION)
        return errors

    def _mark(self, place: Place, values: Mapping[str, str], form: str) -> None:
        """Take the buttons off the message below which the form was opened, and show what was answered."""
        message = self._opened.pop((place.channel, place.ts), None)
        if message is None:
            return
        choice = values[NUMBER] if form == ORDER else dict(self._types(place.language))[values[TYPE]]
        if call := chosen(place.channel, message, choice):
            self._api.spawn(self._chore(call))

    # The home page

    async def home_opened(self, event: Mapping[str, Any]) -> BoltResponse:
        """Somebody looks at the app's home page."""
        if event.get("tab") == "home" and is_person(str(event.get("user", ""))):
            self._api.spawn(self._publish(event["user"]), wanted=False)
        return done()

    async def _publish_after(self, user: str, inbox_id: int | None) -> None:
        """Publish a person's home page once the event they made there is handled."""
        if inbox_id is not None:
            await self._handled(inbox_id)
        await self._publish(user)

    async def _handled(self, inbox_id: int) -> None:
        database = self._host.database
        ends = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        with database.hub.watch(f"inbox:{inbox_id}") as waiting:
            while asyncio.get_running_loop().time() < ends:
                async with database.read() as session:
                    row = await session.get(Inbox, inbox_id)
                if row is None or row.status is not InboxStatus.PENDING:
                    return
                await wait(waiting, POLL_SECONDS)

    async def _publish(self, user: str) -> None:
        """Publish a home page; while that is under way another wish is kept, so that the last word stands."""
        if user in self._publishing:
            self._publishing[user] = True
            return
        self._publishing[user] = True
        try:
            while self._publishing[user]:
                self._publishing[user] = False
                await self._publish_now(user)
        finally:
            del self._publishing[user]

    async def _publish_now(self, user: str) -> None:
        address, settings = Address("slack", user, user), self._host.config.settings
        try:
            language = await self._people.language(address)
            overview = await self._host.overview(address)
        except Exception as error:
            log.error("Slack: a home page cannot be shown: %s", type(error).__name__)
            return
        view = home_view(overview, language, settings.languages, settings.shop.name)
        call = {"method": "views.publish", "params": {"user_id": user, "view": view}}
        await self._api.try_on(call, "a home page stays as it is")
