"""A Slack workspace's memory, and the methods of its Web API that change or show it."""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from typing import Any

from connectors.slack.convert import SCOPES
from tests.fakes.slack_objects import Post, Whisper, is_view, refused

BOT_USER = "U0BOTLING1"
BOT_ID = "B0BOTLING1"
TEAM = "T061EG9R6"
APP = "A0MDYCDME"
ANA = "U2147483697"
ANAS_DIRECT = "D024BE91L"
TRIGGER_SECONDS = 3.0


class SlackWorkspace:
    """What there is in the workspace.

    ``channels`` are those that the bot may see, as ``conversations.info`` shows them; ``homes`` the
    home pages by person; ``modals`` the open forms, newest last; ``whispers`` what only one person sees.
    """

    def __init__(self) -> None:
        self.root = ""
        self.scopes = ",".join(SCOPES)
        self.locales: dict[str, str] = {}
        self.channels: dict[str, dict[str, Any]] = {}
        self.homes: dict[str, dict[str, Any]] = {}
        self.modals: list[dict[str, Any]] = []
        self.whispers: list[Whisper] = []
        self._counter = 0
        self._posts: dict[str, list[Post]] = defaultdict(list)
        self._directs = {ANA: ANAS_DIRECT}
        self._files: dict[str, tuple[str, bytes]] = {}
        self._tickets: set[str] = set()
        self._triggers: dict[str, float] = {}
        self._responses: dict[str, tuple[str, str]] = {}

    def posts(self, chat: str) -> list[Post]:
        """What the bot has said in a channel, or to a person, so far."""
        return list(self._posts[self.channel_of(chat)])

    def thread(self, channel: str, ts: str) -> list[Post]:
        """What the bot has said in a thread so far."""
        return [post for post in self.posts(channel) if post.thread_ts == ts]

    def channel_of(self, chat: str) -> str:
        """The direct message's id for a person's; any other as it is."""
        return self._directs.setdefault(chat, f"D{chat[1:]}") if chat[:1] in {"U", "W"} else chat

    def next_number(self) -> int:
        """A number that was not given before."""
        self._counter += 1
        return self._counter

    def new_ts(self) -> str:
        """The time of a message, later than all before."""
        return f"{int(time.time())}.{self.next_number():06d}"

    def new_trigger(self) -> str:
        """What allows an app to open a form, once and for a short time."""
        trigger = f"{self.next_number()}.333649436676.{uuid.uuid4().hex}"
        self._triggers[trigger] = time.monotonic()
        return trigger

    def new_response_url(self, channel: str, user: str) -> str:
        """Where an app can answer a press or a command."""
        number = str(self.next_number())
        self._responses[number] = (channel, user)
        return f"{self.root}/response/{number}"

    def shown(self, post: Post) -> dict[str, Any]:
        """A message as events show it."""
        message = {
            "user": BOT_USER,
            "type": "message",
            "ts": post.ts,
            "bot_id": BOT_ID,
            "app_id": APP,
            "text": post.text,
            "team": TEAM,
            "blocks": post.blocks,
        }
        replied = any(other.thread_ts == post.ts for other in self._posts[post.channel])
        thread = post.thread_ts or (post.ts if replied else "")
        return message | ({"thread_ts": thread} if thread else {})

    # Methods

    def _do_auth_test(self, _params: dict[str, Any]) -> dict[str, Any]:
        return {"url": "https://northwind.slack.com/", "team_id": TEAM, "user_id": BOT_USER, "bot_id": BOT_ID}

    def _do_apps_connections_open(self, _params: dict[str, Any]) -> dict[str, Any]:
        ticket = str(uuid.uuid4())
        self._tickets.add(ticket)
        return {"url": f"{self.root.replace('http', 'ws', 1)}/link?ticket={ticket}&app_id={APP}"}

    def _do_users_info(self, params: dict[str, Any]) -> dict[str, Any]:
        user = {"id": params["user"], "name": "ana.torres", "real_name": "Ana Torres", "is_bot": False}
        if str(params.get("include_locale", "")).lower() in {"1", "true"}:
            user["locale"] = self.locales.get(params["user"], "en-US")
        return {"user": user}

    def _do_conversations_open(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"channel": {"id": self.channel_of(params["users"])}}

    def _do_conversations_info(self, params: dict[str, Any]) -> dict[str, Any]:
        found = self.channels.get(params["channel"])
        if found is None:
            return {"ok": False, "error": "channel_not_found"}
        facts = {"id": params["channel"], "name": "support", "is_archived": False, "is_member": True}
        return {"channel": facts | {"is_private": True} | found}

    def _do_chat_postMessage(self, params: dict[str, Any]) -> dict[str, Any]:
        if error := refused(params):
            return {"ok": False, "error": error}
        post = Post(
            self.channel_of(params["channel"]),
            self.new_ts(),
            params.get("text", ""),
            params.get("blocks", []),
            params.get("thread_ts", ""),
            broadcast=params.get("reply_broadcast", False),
        )
        self._posts[post.channel].append(post)
        return {"channel": post.channel, "ts": post.ts, "message": self.shown(post)}

    def _do_chat_postEphemeral(self, params: dict[str, Any]) -> dict[str, Any]:
        if params["channel"][:1] not in {"C", "D", "G"}:
            return {"ok": False, "error": "channel_not_found"}
        if not params.get("text"):
            return {"ok": False, "error": "no_text"}
        self.whispers.append(Whisper(params["channel"], params["user"], params["text"], params.get("thread_ts", "")))
        return {"message_ts": self.new_ts()}

    def _do_chat_update(self, params: dict[str, Any]) -> dict[str, Any]:
        # A person's id stands for the direct message only where something is posted.
        for post in self._posts.get(params["channel"], ()):
            if post.ts == params["ts"]:
                if error := refused(params):
                    return {"ok": False, "error": error}
                post.text, post.blocks = params.get("text", ""), params.get("blocks", post.blocks)
                return {"channel": post.channel, "ts": post.ts, "text": post.text}
        return {"ok": False, "error": "message_not_found"}

    def delete(self, channel: str, ts: str) -> None:
        """Somebody deletes a message of the bot's."""
        self._posts[channel] = [post for post in self._posts[channel] if post.ts != ts]

    def _do_views_open(self, params: dict[str, Any]) -> dict[str, Any]:
        issued = self._triggers.pop(params["trigger_id"], None)
        if issued is None or time.monotonic() - issued > TRIGGER_SECONDS:
            return {"ok": False, "error": "expired_trigger_id"}
        if not is_view(params["view"]):
            return {"ok": False, "error": "invalid_arguments"}
        view = params["view"] | {"id": f"V{self.next_number():08d}", "hash": uuid.uuid4().hex}
        self.modals.append(view)
        return {"view": view}

    def _do_views_update(self, params: dict[str, Any]) -> dict[str, Any]:
        for number, view in enumerate(self.modals):
            if view["id"] == params["view_id"]:
                if params.get("hash") not in {None, view["hash"]}:
                    return {"ok": False, "error": "hash_conflict"}
                if not is_view(params["view"]):
                    return {"ok": False, "error": "invalid_arguments"}
                self.modals[number] = params["view"] | {"id": view["id"], "hash": uuid.uuid4().hex}
                return {"view": self.modals[number]}
        return {"ok": False, "error": "not_found"}

    def _do_views_publish(self, params: dict[str, Any]) -> dict[str, Any]:
        if not is_view(params["view"]):
            return {"ok": False, "error": "invalid_arguments"}
        view = params["view"] | {"id": f"V{self.next_number():08d}", "hash": uuid.uuid4().hex}
        self.homes[params["user_id"]] = view
        return {"view": view}

    def _do_files_getUploadURLExternal(self, _params: dict[str, Any]) -> dict[str, Any]:
        number = f"F{self.next_number():08d}"
        return {"upload_url": f"{self.root}/upload/{number}", "file_id": number}

    def _do_files_completeUploadExternal(self, params: dict[str, Any]) -> dict[str, Any]:
        if params["channel_id"][:1] not in {"C", "D", "G"}:
            return {"ok": False, "error": "channel_not_found"}
        for file in params["files"]:
            _, data = self._files[file["id"]]
            self._posts[params["channel_id"]].append(
                Post(
                    params["channel_id"],
                    self.new_ts(),
                    params.get("initial_comment", ""),
                    thread_ts=params.get("thread_ts", ""),
                    filename=file["title"],
                    document=data,
                )
            )
        return {"files": params["files"]}
