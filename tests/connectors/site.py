"""A channel of our own web server on a real server and a real database, without the bot.

What the engine would commit is written here by hand, through the same outbox.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import uvicorn
from sqlalchemy import func, select
from starlette.applications import Starlette

from bot.config import Config, Settings
from bot.contracts import Author, Media, OutButton, Owner
from bot.dispatch import Dispatcher
from bot.domain import load_domain
from bot.inbox import Acceptor
from bot.outbox import post
from bot.storage import Database, now, signal
from bot.storage.models import Conversation, FileStatus, Inbox, InboxStatus, Message, Outbox, StoredFile
from bot.texts import Rendered, Texts
from connectors import Host, create
from tests.databases import prepared
from tests.fakes.slowly import slowly


@dataclass(slots=True)
class Site:
    """One channel, served at ``url``."""

    url: str
    database: Database
    connector: Any
    config: Config

    async def next_event(self) -> Inbox:
        """The oldest event that waits, as soon as there is one."""
        async with asyncio.timeout(20):
            while True:
                async with self.database.read() as session:
                    waiting = select(Inbox).where(Inbox.status == InboxStatus.PENDING).order_by(Inbox.id).limit(1)
                    row = await session.scalar(waiting)
                if row is not None:
                    return row
                await asyncio.sleep(0.01)

    async def handle(
        self,
        *texts: str,
        buttons: tuple[tuple[str, str], ...] = (),
        media: tuple[Media, ...] = (),
        language: str = "en",
    ) -> Inbox:
        """Handle the oldest event: these replies, the last with the buttons and files."""
        row = await self.next_event()
        rendered = [Rendered(text, language) for text in texts]
        if rendered:
            last = tuple(OutButton(*button) for button in buttons)
            rendered[-1] = replace(rendered[-1], buttons=last, media=media)
        async with self.database.begin() as session:
            row = await session.get_one(Inbox, row.id)
            conversation = await session.get_one(Conversation, row.conversation_id)
            event = row.event
            said = {
                "conversation_id": conversation.id,
                "author": Author.CUSTOMER,
                "agent_id": None,
                "text": event["text"] or event["payload"],
                "language": "",
                "parse": None,
                "inbox_id": row.id,
                "outbox_id": None,
                "created_at": row.received_at,
            }
            await post(session, conversation, rendered, Author.BOT, inbox_id=row.id, transcript=[said])
            if event["attachments"]:
                message = await session.scalar(select(Message.id).where(Message.inbox_id == row.id))
                session.add_all(
                    StoredFile(
                        conversation_id=conversation.id,
                        message_id=message,
                        path=item["ref"].removeprefix("file:"),
                        status=FileStatus.STORED,
                        **item,
                    )
                    for item in event["attachments"]
                )
            row.status, row.handled_at = InboxStatus.DONE, now()
            signal(session, f"inbox:{row.id}")
        return row

    async def say(self, conversation_id: int, *texts: str, author: Author = Author.AGENT, **more: Any) -> list[int]:
        """A message that answers no event: an agent's, a survey, a notice."""
        rendered = [Rendered(text, "en", **more) for text in texts]
        async with self.database.begin() as session:
            conversation = await session.get_one(Conversation, conversation_id)
            return await post(session, conversation, rendered, author)

    async def give_to(self, conversation_id: int, owner: Owner) -> None:
        """Change who has the conversation."""
        async with self.database.begin() as session:
            (await session.get_one(Conversation, conversation_id)).owner = owner
            signal(session, f"conversation:{conversation_id}")

    async def count(self, table: type[Inbox] | type[Outbox] | type[Conversation]) -> int:
        """How many rows a table has."""
        async with self.database.read() as session:
            return (await session.scalar(select(func.count()).select_from(table))) or 0


def changed(config: Config, channel: str, options: dict[str, Any], web: dict[str, Any], **env: str) -> Config:
    """The configuration with a channel's options, the web server's settings and the environment changed."""
    given = config.settings.model_dump()
    settings = Settings.model_validate(given | {"connectors": {channel: options}, "web": given["web"] | web})
    return replace(config, settings=settings, env=dict(env))


@contextlib.asynccontextmanager
async def served(app: Any, port: int = 0) -> AsyncIterator[str]:
    """A real HTTP server on loopback; its URL."""
    settings = uvicorn.Config(slowly(app), host="127.0.0.1", port=port, log_level="warning", lifespan="off", ws="none")
    server = uvicorn.Server(settings)
    running = asyncio.create_task(server.serve())
    while not server.started:
        if running.done():
            running.result()
        await asyncio.sleep(0.005)
    bound = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{bound}"
    finally:
        server.should_exit = True
        async with asyncio.timeout(20):
            await running


@contextlib.asynccontextmanager
async def site(channel: str, config: Config, port: int = 0) -> AsyncIterator[Site]:
    """A channel with its database, its dispatcher and its server."""
    database = Database(config.database_url)
    await prepared(database)
    try:
        texts = Texts(load_domain(config.home), ("en",), config.settings.shop)
        connector: Any = create(channel, Host(database, config, config.env, texts))
        await connector.start(Acceptor(database))
        dispatcher = asyncio.create_task(Dispatcher(database, {channel: connector}, config.settings.delivery).run())
        try:
            async with served(Starlette(routes=connector.routes()), port) as url:
                yield Site(url, database, connector, config)
                await connector.stop()
        finally:
            dispatcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await dispatcher
    finally:
        await database.close()
