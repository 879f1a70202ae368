"""Customers on every platform: the vendor's side is a server on loopback, everything else is real."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
from sqlalchemy import func, select

from bot.app import App
from bot.storage.models import Conversation, Inbox, InboxStatus, Outbox, OutboxStatus
from tests.customer import Channel, Shown, eventually
from tests.fakes.serving import serving
from tests.fakes.slack_server import SlackServer
from tests.fakes.telegram_server import TelegramServer


async def quiet(app: App, user: str, said: int) -> None:
    """Wait until all that a person has said is answered and every answer has left."""

    async def done() -> bool:
        async with app.database.read() as session:
            mine = select(Conversation.id).where(Conversation.user == user)
            handled = await session.scalar(
                select(func.count())
                .select_from(Inbox)
                .where(Inbox.conversation_id.in_(mine), Inbox.status == InboxStatus.DONE)
            )
            waiting = await session.scalar(
                select(func.count())
                .select_from(Outbox)
                .where(
                    Outbox.conversation_id.in_(mine),
                    Outbox.status.in_((OutboxStatus.PENDING, OutboxStatus.SENDING)),
                )
            )
        return (handled or 0) >= said and not waiting

    await eventually(done, 20)


class TelegramChannel:
    """A private chat on Telegram."""

    def __init__(self, app: App, server: TelegramServer, chat: int, locale: str) -> None:
        self._app, self._server, self.chat, self._locale = app, server, chat, locale
        self._said = self._seen = 0

    async def say(self, text: str) -> list[Shown]:
        """Write to the bot."""
        await self._server.user_says(self.chat, text, language_code=self._locale)
        return await self._answers()

    async def press(self, button: Any) -> list[Shown]:
        """Press a button of the inline keyboard by its title."""
        await self._server.user_presses(self.chat, button, language_code=self._locale)
        return await self._answers()

    async def _answers(self) -> list[Shown]:
        self._said += 1
        await quiet(self._app, str(self.chat), self._said)
        sent = self._server.sent(self.chat)
        fresh, self._seen = sent[self._seen :], len(sent)
        return [Shown(item.text, tuple((title, title) for title in item.buttons)) for item in fresh]


class SlackChannel:
    """A direct message on Slack."""

    def __init__(self, app: App, server: SlackServer, user: str, locale: str) -> None:
        self._app, self._server, self.user, self._locale = app, server, user, locale
        self._channel = f"D{user}"
        self._said = self._seen = 0

    async def say(self, text: str) -> list[Shown]:
        """Write to the bot."""
        await self._server.user_says(self._channel, text, user=self.user, locale=self._locale)
        return await self._answers()

    async def press(self, button: Any) -> list[Shown]:
        """Press a Block Kit button by its title."""
        await self._server.user_presses(self._channel, button, user=self.user)
        return await self._answers()

    async def _answers(self) -> list[Shown]:
        self._said += 1
        await quiet(self._app, self.user, self._said)
        posts = self._server.posts(self._channel)
        fresh, self._seen = posts[self._seen :], len(posts)
        return [Shown(item.text, tuple((title, title) for title in item.buttons)) for item in fresh]


class WebChannel:
    """The web chat: messages by POST, answers by the event stream."""

    def __init__(self, app: App, client: httpx.AsyncClient) -> None:
        self._app, self._client = app, client
        self._events: list[dict[str, Any]] = []
        self._said = self._seen = 0
        self._stream: asyncio.Task[None] | None = None
        self._user = ""

    async def say(self, text: str) -> list[Shown]:
        """Write in the page."""
        return await self._post(text, "")

    async def press(self, button: Any) -> list[Shown]:
        """Press a button in the page."""
        return await self._post(button[0], button[1])

    async def close(self) -> None:
        """Leave the page."""
        if self._stream is not None:
            self._stream.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._stream

    async def _post(self, text: str, payload: str) -> list[Shown]:
        if self._stream is None:
            (await self._client.get("/chat")).raise_for_status()
            self._stream = asyncio.create_task(self._listen())
        body = {"id": str(uuid.uuid4()), "text": text, "payload": payload}
        (await self._client.post("/chat/messages", json=body)).raise_for_status()
        self._said += 1
        if not self._user:
            self._user = await self._me(body["id"])
        await quiet(self._app, self._user, self._said)

        async def all_here() -> bool:
            async with self._app.database.read() as session:
                mine = select(Conversation.id).where(Conversation.user == self._user)
                count = select(func.count()).select_from(Outbox).where(Outbox.conversation_id.in_(mine))
                return len(self._ours()) == await session.scalar(count)

        await eventually(all_here)
        fresh, self._seen = self._ours()[self._seen :], len(self._ours())
        return [
            Shown(
                item["text"],
                tuple((button["title"], (button["title"], button["payload"])) for button in item["buttons"]),
                tuple(file["url"] for file in item["files"]),
            )
            for item in fresh
        ]

    def _ours(self) -> list[dict[str, Any]]:
        return [event for event in self._events if event.get("author") not in (None, "customer")]

    async def _me(self, message: str) -> str:
        """The session's id, which the page itself never sees."""
        async with self._app.database.read() as session:
            mine = select(Conversation.user).join(Inbox).where(Inbox.external_id.endswith(message))
            return (await session.scalars(mine)).one()

    async def _listen(self) -> None:
        async with self._client.stream("GET", "/chat/events", timeout=60) as response:
            async for line in response.aiter_lines():
                if line.startswith("data:") and isinstance(data := json.loads(line[5:]), dict):
                    self._events.append(data)


Join = Callable[[int, str], Channel]


@contextlib.asynccontextmanager
async def telegram_polling(start: Any) -> AsyncIterator[tuple[App, Join]]:
    """The desk on Telegram, asking for updates."""
    async with TelegramServer() as server:
        app = await start(env=server.env, only=frozenset({"telegram"}))
        yield app, lambda number, locale: TelegramChannel(app, server, 7000 + number, locale)


@contextlib.asynccontextmanager
async def telegram_webhook(start: Any) -> AsyncIterator[tuple[App, Join]]:
    """The desk on Telegram, called by it."""
    holder: list[App] = []

    async def front(scope: Any, receive: Any, send: Any) -> None:
        await holder[0].web(scope, receive, send)

    async with TelegramServer() as server, serving(front) as url:  # type: ignore[arg-type]
        env = server.webhook_env(url)
        holder.append(await start(env=env, only=frozenset({"telegram"})))
        yield holder[0], lambda number, locale: TelegramChannel(holder[0], server, 7000 + number, locale)


@contextlib.asynccontextmanager
async def slack_socket(start: Any) -> AsyncIterator[tuple[App, Join]]:
    """The desk on Slack in Socket Mode."""
    async with SlackServer() as server:
        app = await start(env=server.env(socket=True), only=frozenset({"slack"}))
        await server.until(lambda: server.connected)
        yield app, lambda number, locale: SlackChannel(app, server, f"U{7000 + number}", locale)


@contextlib.asynccontextmanager
async def slack_http(start: Any) -> AsyncIterator[tuple[App, Join]]:
    """The desk on Slack, called by it."""
    async with SlackServer() as server:
        app = await start(env=server.env(), only=frozenset({"slack"}))
        async with serving(app.web) as url:
            server.events_url = f"{url}/webhooks/slack/events"
            yield app, lambda number, locale: SlackChannel(app, server, f"U{7000 + number}", locale)


@contextlib.asynccontextmanager
async def web_chat(start: Any) -> AsyncIterator[tuple[App, Join]]:
    """The desk's own web chat."""
    app = await start(only=frozenset({"web"}))
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(serving(app.web))
        channels: list[WebChannel] = []

        def join(_number: int, locale: str) -> Channel:
            client = httpx.AsyncClient(base_url=url, headers={"Accept-Language": locale, "Origin": url})
            stack.push_async_callback(client.aclose)
            channels.append(WebChannel(app, client))
            stack.push_async_callback(channels[-1].close)
            return channels[-1]

        yield app, join


@contextlib.asynccontextmanager
async def rest(start: Any) -> AsyncIterator[tuple[App, Join]]:
    """The desk's REST channel."""
    from tests.customer import RestChannel

    app = await start(only=frozenset({"rest"}))
    yield app, lambda _number, locale: RestChannel(app, locale)


PLATFORMS = {
    "telegram-polling": telegram_polling,
    "telegram-webhook": telegram_webhook,
    "slack-socket": slack_socket,
    "slack-http": slack_http,
    "web": web_chat,
    "rest": rest,
}
