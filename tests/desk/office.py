"""A desk on a real database, with customers who write; what the engine would commit is written here."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
from starlette.applications import Starlette

from bot import agents
from bot.config import Config, HandoffSettings
from bot.contracts import Address, Attachment, Author, Entity, Inbound, LanguageGuess, OutButton, Parse
from bot.desk import desk_routes
from bot.domain import load_domain
from bot.inbox import store
from bot.jobs import store_file
from bot.outbox import Voice, post
from bot.services import handoff, surveys, tickets, users
from bot.services.orders import number_key
from bot.storage import Database, now
from bot.storage.models import (
    Conversation,
    Customer,
    FileStatus,
    Inbox,
    InboxStatus,
    Message,
    OrderRow,
    Outbox,
    OutboxStatus,
    Role,
    Severity,
    StoredFile,
    Survey,
    Ticket,
    TicketType,
    User,
)
from bot.texts import Rendered, Texts

PASSWORD = "correct horse battery"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc000"
    "000301010018dd8db00000000049454e44ae426082"
)


@dataclass(slots=True)
class Office:
    """The desk and everything behind it."""

    config: Config
    database: Database
    voice: Voice
    app: Starlette
    people: dict[str, User] = field(default_factory=dict)
    sent: int = 0

    async def person(self, username: str, name: str = "", role: Role = Role.AGENT, language: str = "en") -> User:
        """Someone who may sign in with :data:`PASSWORD`."""
        async with self.database.begin() as session:
            user = await users.add(session, username, name or username.capitalize(), PASSWORD, role, language)
        self.people[username] = user
        return user

    async def writes(
        self,
        name: str,
        text: str,
        *,
        channel: str = "web",
        language: str = "en",
        intent: str = "track_order",
        entities: tuple[Entity, ...] = (),
        files: tuple[Attachment, ...] = (),
    ) -> int:
        """A customer's message, handled; the conversation's id. One name is one conversation."""
        self.sent += 1
        event = Inbound(f"e{self.sent}", Address(channel, name, name), text=text, name=name, attachments=files)
        ranking = ((intent, 0.91), ("ask_shipping", 0.05))
        guess = LanguageGuess(language, 0.97, reason="statistical 0.97")
        parse = Parse(text, intent, 0.91, ranking, entities, guess).to_rasa() | {"language_reason": guess.reason}
        async with self.database.begin() as session:
            (inbox_id,) = await store(session, [event])
            row = await session.get_one(Inbox, inbox_id)
            conversation = await session.get_one(Conversation, row.conversation_id)
            conversation.name, conversation.language = name, language
            conversation.language_reason = "first message: statistical 0.97"
            said: dict[str, Any] = {
                "conversation_id": conversation.id,
                "author": Author.CUSTOMER,
                "agent_id": None,
                "text": text,
                "language": language,
                "parse": parse,
                "inbox_id": inbox_id,
                "outbox_id": None,
                "created_at": row.received_at,
            }
            if files:
                await self._keep(session, conversation, said, files)
            await post(session, conversation, [], Author.CUSTOMER, transcript=[] if files else [said])
            row.status, row.handled_at = InboxStatus.DONE, now()
        return conversation.id

    async def _keep(
        self, session: Any, conversation: Conversation, said: dict[str, Any], files: tuple[Attachment, ...]
    ) -> None:
        message = Message(**said)
        session.add(message)
        await session.flush()
        for item in files:
            session.add(
                StoredFile(
                    conversation_id=conversation.id,
                    message_id=message.id,
                    kind=item.kind,
                    ref=item.ref,
                    name=item.name,
                    mime=item.mime,
                    size=item.size,
                    path=item.ref.removeprefix("file:"),
                    status=FileStatus.STORED,
                )
            )
        await session.flush()

    def attachment(self, name: str, mime: str, data: bytes, kind: str = "document") -> Attachment:
        """A file that is stored already."""
        path = store_file(self.config.files_dir, name, data)
        return Attachment(kind, f"file:{path}", name, mime, len(data))

    async def says(
        self, conversation_id: int, text: str, author: Author = Author.BOT, buttons: tuple[str, ...] = ()
    ) -> int:
        """A message of the bot, a survey or a notice; its outbox id."""
        async with self.database.begin() as session:
            conversation = await session.get_one(Conversation, conversation_id)
            titles = tuple(OutButton(title, f"/{title}") for title in buttons)
            rendered = Rendered(text, conversation.language, buttons=titles)
            (outbox_id,) = await post(session, conversation, [rendered], author)
        return outbox_id

    async def waits(self, conversation_id: int, reason: str = "asked", minutes_ago: int = 0) -> None:
        """The customer asks for a person."""
        async with self.database.begin() as session:
            conversation = await session.get_one(Conversation, conversation_id)
            row = await handoff.begin(session, conversation, reason, HandoffSettings())
            row.started_at = now() - timedelta(minutes=minutes_ago)

    async def claims(self, conversation_id: int, username: str) -> None:
        """An agent takes a waiting conversation elsewhere, for example in Slack."""
        async with self.database.begin() as session:
            await agents.claim(session, conversation_id, self.people[username])

    async def buys(self, conversation_id: int, name: str, *numbers: str) -> None:
        """The conversation is verified for a customer with these orders."""
        async with self.database.begin() as session:
            customer = Customer(name=name, email="ana@example.com", phone="+34600123456", country="ES")
            session.add(customer)
            await session.flush()
            for index, number in enumerate(numbers):
                session.add(
                    OrderRow(
                        number=number,
                        number_key=number_key(number),
                        customer_id=customer.id,
                        status=("shipped", "delivered", "cancelled")[index % 3],
                        placed_at=now() - timedelta(days=3 + 20 * index),
                        currency="EUR",
                        total=Decimal("129.90"),
                    )
                )
            conversation = await session.get_one(Conversation, conversation_id)
            conversation.customer_id, conversation.verified_until = customer.id, now() + timedelta(minutes=50)

    async def complains(self, conversation_id: int, text: str, severity: Severity = Severity.HIGH) -> Ticket:
        """A complaint ticket."""
        async with self.database.begin() as session:
            conversation = await session.get_one(Conversation, conversation_id)
            return await tickets.open_ticket(
                session,
                conversation,
                kind=TicketType.DAMAGED,
                severity=severity,
                order_number="100234",
                description=text,
                language=conversation.language,
            )

    async def rates(
        self, conversation_id: int, score: int | None, comment: str = "", sent_at: datetime | None = None
    ) -> Survey:
        """A survey of a conversation, answered unless ``score`` is None."""
        settings = self.config.settings.surveys
        async with self.database.begin() as session:
            conversation = await session.get_one(Conversation, conversation_id)
            survey = Survey(kind="csat", conversation_id=conversation.id)
            session.add(survey)
            await session.flush()
            question = Rendered("How satisfied are you?", conversation.language)
            (asked,) = await post(session, conversation, [question], Author.SURVEY)
            (await session.get_one(Outbox, asked)).status = OutboxStatus.SENT
            await surveys.mark_sent(session, survey, conversation, conversation.language, settings, asked)
            if score is not None:
                await surveys.rate(session, survey, score)
                survey.comment = comment
            if sent_at is not None:
                survey.sent_at = sent_at
            survey.delivered_at = survey.sent_at
        return survey

    def client(self) -> httpx.AsyncClient:
        """A browser without scripts."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://desk.test")

    @contextlib.asynccontextmanager
    async def signed_in(self, username: str) -> AsyncIterator[httpx.AsyncClient]:
        """A browser in which someone is signed in."""
        async with self.client() as client:
            answer = await enter(client, username, PASSWORD)
            assert answer.status_code == 303, answer.text
            yield client


def token_of(page: httpx.Response) -> str:
    """The forms' token in a page."""
    found = re.search(r'name="token" value="([0-9a-f]+)"', page.text)
    assert found, page.text
    return found[1]


async def enter(client: httpx.AsyncClient, username: str, password: str, **more: str) -> httpx.Response:
    """Fill in the sign-in form."""
    token = token_of(await client.get("/desk/sign-in"))
    fields = {"token": token, "username": username, "password": password} | more
    return await client.post("/desk/sign-in", data=fields)


def office_of(config: Config, database: Database) -> Office:
    """The desk's routes in an application of their own."""
    texts = Texts(load_domain(config.home), ("en", "es"), config.settings.shop)
    voice = Voice(texts)
    return Office(config, database, voice, Starlette(routes=desk_routes(database, voice, config)))
