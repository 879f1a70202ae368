"""What people do in a Slack workspace, as the events and interactions that Slack makes of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from tests.fakes.slack_objects import Delivery, Post, buttons_of, menus_of
from tests.fakes.slack_workspace import ANA, APP, BOT_USER, TEAM, SlackWorkspace


class SlackPeople(SlackWorkspace):
    """People who write, press, fill in forms. ``wait=False`` does not wait for the acknowledgement."""

    tries = 3

    async def send(self, body: dict[str, Any], kind: str, *, wait: bool = True, tries: int = 0) -> Delivery:
        """Deliver a body to the app."""
        raise NotImplementedError

    async def until(
        self, condition: Callable[[], object], timeout: float = 20.0, tell: Callable[[], str] = lambda: ""
    ) -> None:
        """Wait until something has become true through a request."""
        raise NotImplementedError

    # Messages

    async def user_says(
        self, channel: str, text: str, *, user: str = ANA, locale: str = "", wait: bool = True, **event: Any
    ) -> Delivery:
        """A person writes to the bot directly (a channel ``D…``); ``event`` are further fields.

        Returns when the app has acknowledged it or Slack has given up; with ``wait=False`` at once.
        """
        if locale:
            self.locales[user] = locale
        return await self.event(self.message(channel, text, user) | event, wait=wait)

    async def user_edits(self, channel: str, ts: str, before: str, after: str, *, user: str = ANA) -> Delivery:
        """A person changes the words of a direct message."""
        message = {"user": user, "type": "message", "ts": ts, "team": TEAM}
        edited = {"edited": {"user": user, "ts": self.new_ts()}} if before != after else {}
        change = {"message": message | {"text": after} | edited, "previous_message": message | {"text": before}}
        return await self.event(self._change(channel, "message_changed") | change)

    async def user_deletes(self, channel: str, ts: str, before: str, *, user: str = ANA) -> Delivery:
        """A person deletes a direct message."""
        previous = {"user": user, "type": "message", "ts": ts, "team": TEAM, "text": before}
        change = {"deleted_ts": ts, "previous_message": previous}
        return await self.event(self._change(channel, "message_deleted") | change)

    async def user_mentions(
        self, channel: str, text: str, *, user: str = ANA, thread_ts: str = "", wait: bool = True
    ) -> Delivery:
        """A person mentions the bot in a channel (``C…``), or in a thread of it."""
        fields = {"type": "app_mention"} | self._message(channel, f"<@{BOT_USER}> {text}", user)
        if thread_ts:
            fields["thread_ts"] = thread_ts
        return await self.event(fields, wait=wait)

    async def user_sends_file(
        self, channel: str, data: bytes, *, filename: str = "box.jpg", mime: str = "image/jpeg", text: str = ""
    ) -> Delivery:
        """A person sends a file to the bot."""
        number = f"F{self.next_number():08d}"
        self._files[number] = (mime, data)
        file = {
            "id": number,
            "name": filename,
            "title": filename,
            "mimetype": mime,
            "size": len(data),
            "mode": "hosted",
            "url_private": f"{self.root}/files/{number}",
        }
        return await self.user_says(channel, text, subtype="file_share", files=[file])

    async def user_commands(
        self, text: str, *, channel: str = "C0LAN2Q65", user: str = ANA, wait: bool = True, trigger: str = ""
    ) -> Delivery:
        """A person types ``/support`` and a text in a channel."""
        body = {
            "token": "verification",
            "team_id": TEAM,
            "team_domain": "northwind",
            "channel_id": channel,
            "channel_name": "directmessage" if channel[0] == "D" else "general",
            "user_id": user,
            "user_name": "ana.torres",
            "command": "/support",
            "text": text,
            "api_app_id": APP,
            "is_enterprise_install": "false",
            "response_url": self.new_response_url(channel, user),
            "trigger_id": trigger or self.new_trigger(),
        }
        return await self.send(body, "slash_commands", wait=wait)

    # Presses

    async def user_presses(self, chat: str, title: str, *, user: str = ANA, wait: bool = True) -> Delivery:
        """A person presses the newest button with this title that is still there.

        Raises:
            AssertionError: there is none.
        """
        posts = self.posts(chat)
        for post in reversed(posts):
            for element in post.elements:
                if element["text"]["text"] == title:
                    return await self.press(post, element, user=user, wait=wait)
        raise AssertionError(f"no button {title!r} in {chat}; there are {[post.buttons for post in posts]}")

    async def press(self, post: Post, element: dict[str, Any], *, user: str = ANA, wait: bool = True) -> Delivery:
        """A person presses this button, even if it is not shown any more."""
        container = {"type": "message", "message_ts": post.ts, "channel_id": post.channel, "is_ephemeral": False}
        if post.thread_ts:
            container["thread_ts"] = post.thread_ts
        payload: dict[str, Any] = self._interaction("block_actions", user) | {
            "container": container,
            "channel": {"id": post.channel, "name": "directmessage" if post.channel[0] == "D" else "general"},
            "message": self.shown(post),
            "state": {"values": {}},
            "response_url": self.new_response_url(post.channel, user),
            "actions": [element | {"block_id": "choices", "type": "button", "action_ts": self.new_ts()}],
        }
        # Slack sends an interaction only once.
        return await self.send(payload, "interactive", wait=wait)

    async def user_presses_at_home(self, title: str, *, user: str = ANA, wait: bool = True) -> Delivery:
        """A person presses a button of the home page.

        Raises:
            AssertionError: there is none with this title.
        """
        elements = buttons_of(self.homes[user]["blocks"])
        found = next((item for item in elements if item["text"]["text"] == title), None)
        assert found is not None, f"no button {title!r}; there are {[item['text']['text'] for item in elements]}"
        return await self._act_in(self.homes[user], found, user, wait)

    async def user_chooses_at_home(self, option: str, *, user: str = ANA, wait: bool = True) -> Delivery:
        """A person chooses from a menu of the home page."""
        return await self._choose(self.homes[user], option, user, wait)

    async def user_chooses_in_form(self, option: str, typed: dict[str, str] | None = None) -> Delivery:
        """A person chooses from a menu beside a paragraph of the newest form, with ``typed`` in its fields."""
        return await self._choose(self.modals[-1], option, ANA, True, typed or {})

    async def _choose(
        self, view: dict[str, Any], option: str, user: str, wait: bool, typed: dict[str, str] | None = None
    ) -> Delivery:
        for block_id, menu in menus_of(view["blocks"]):
            for item in menu["options"]:
                if item["text"]["text"] == option:
                    action = {"type": "static_select", "action_id": menu["action_id"], "block_id": block_id}
                    return await self._act_in(view, action | {"selected_option": item}, user, wait, typed)
        raise AssertionError(f"no option {option!r}")

    async def _act_in(
        self,
        view: dict[str, Any],
        action: dict[str, Any],
        user: str,
        wait: bool,
        typed: dict[str, str] | None = None,
    ) -> Delivery:
        payload = self._interaction("block_actions", user) | {
            "container": {"type": "view", "view_id": view["id"]},
            "view": view | {"state": {"values": self._values(view, typed or {})}},
            "actions": [action | {"action_ts": self.new_ts()}],
        }
        return await self.send(payload, "interactive", wait=wait)

    async def user_takes_shortcut(self, channel: str, text: str, *, user: str = ANA, wait: bool = True) -> Delivery:
        """A person chooses "Open a ticket" in the menu of somebody's message."""
        payload = self._interaction("message_action", user) | {
            "callback_id": "open_ticket",
            "channel": {"id": channel, "name": "general"},
            "message_ts": "1763751600.000200",
            "message": {"type": "message", "user": "U0SOMEBODY", "ts": "1763751600.000200", "text": text},
            "response_url": self.new_response_url(channel, user),
            "action_ts": self.new_ts(),
        }
        return await self.send(payload, "interactive", wait=wait)

    async def user_opens_home(self, *, user: str = ANA, tab: str = "home") -> Delivery:
        """A person looks at the app's home page, or at another tab of it."""
        event = {
            "type": "app_home_opened",
            "user": user,
            "channel": self.channel_of(user),
            "tab": tab,
            "event_ts": self.new_ts(),
        }
        return await self.event(event)

    # Forms

    async def user_submits(
        self, values: dict[str, str], *, view: dict[str, Any] | None = None, user: str = ANA, wait: bool = True
    ) -> Delivery:
        """A person sends a form, the newest if none is given; it closes unless the app says what is wrong.

        Args:
            values: by the beginning of a field's id; of a menu the value of the option.
            view: the form; if none is given, one that opens within five seconds will do.
            user: the person.
            wait: whether to wait for the answer.
        """
        await self.until(lambda: view or self.modals, tell=lambda: "no form has been opened")
        form = view or self.modals[-1]
        payload = self._interaction("view_submission", user) | {
            "view": form | {"state": {"values": self._values(form, values)}, "type": "modal", "team_id": TEAM},
            "response_urls": [],
        }
        delivery = await self.send(payload, "interactive", wait=wait)
        if wait and delivery.acknowledged and "response_action" not in delivery.response:
            self.modals = [other for other in self.modals if other["id"] != form["id"]]
        return delivery

    def _values(self, view: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
        state = {}
        for block in view["blocks"]:
            if block["type"] != "input":
                continue
            element, name = block["element"], block["block_id"]
            given = next((value for field, value in values.items() if name.startswith(field)), None)
            if element["type"] == "static_select":
                option = next((item for item in element["options"] if item["value"] == given), None)
                found: dict[str, Any] = {"type": "static_select", "selected_option": option}
            else:
                text = element.get("initial_value") if given is None else given
                found = {"type": "plain_text_input", "value": text or None}
            state[name] = {element["action_id"]: found}
        return state

    # Envelopes

    async def event(self, event: dict[str, Any], *, wait: bool = True, event_id: str = "") -> Delivery:
        """Any event, wrapped as the Events API wraps it."""
        body = {
            "token": "verification",
            "team_id": TEAM,
            "api_app_id": APP,
            "event": event,
            "type": "event_callback",
            "event_id": event_id or f"Ev{self.next_number():08X}",
            "event_time": int(time.time()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": TEAM,
                    "user_id": BOT_USER,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": False,
        }
        return await self.send(body, "events_api", wait=wait, tries=self.tries)

    def message(self, channel: str, text: str, user: str = ANA) -> dict[str, Any]:
        """An event of a person writing to the bot directly, for :meth:`event`."""
        self._directs[user] = channel
        return {"type": "message", "channel_type": "im"} | self._message(channel, text, user)

    def _message(self, channel: str, text: str, user: str) -> dict[str, Any]:
        ts = self.new_ts()
        return {
            "user": user,
            "ts": ts,
            "client_msg_id": str(uuid.uuid4()),
            "text": text,
            "team": TEAM,
            "channel": channel,
            "event_ts": ts,
        }

    def _change(self, channel: str, subtype: str) -> dict[str, Any]:
        ts = self.new_ts()
        return {
            "type": "message",
            "channel_type": "im",
            "subtype": subtype,
            "hidden": True,
            "channel": channel,
            "ts": ts,
            "event_ts": ts,
        }

    def _interaction(self, kind: str, user: str) -> dict[str, Any]:
        return {
            "type": kind,
            "user": {"id": user, "username": "ana.torres", "name": "ana.torres", "team_id": TEAM},
            "api_app_id": APP,
            "token": "verification",
            "trigger_id": self.new_trigger(),
            "team": {"id": TEAM, "domain": "northwind"},
            "enterprise": None,
            "is_enterprise_install": False,
        }
