"""People of the desk and conversations that wait for them, without a platform or a bot."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings
from bot.services import assignment, handoff, tickets
from bot.services.assignment import Standing
from bot.storage import Database
from bot.storage.models import (
    Alert,
    Conversation,
    Handoff,
    Role,
    Severity,
    Ticket,
    TicketEvent,
    TicketType,
    Timer,
    User,
)


@dataclass(frozen=True, slots=True)
class Begun:
    """A hand-over that has begun, and the user name of whom it was offered to."""

    row: Handoff
    standing: Standing
    offered: str


@dataclass
class Bureau:
    """Does what the engine, the workers and agents do, each in a transaction of its own."""

    database: Database

    async def person(self, name: str, role: Role = Role.AGENT, **more: Any) -> User:
        """Somebody who works here."""
        async with self.database.begin() as session:
            user = User(username=name, name=name.title(), password_hash="", role=role, **more)
            session.add(user)
        return user

    async def conversation(self, session: AsyncSession, language: str = "en") -> Conversation:
        """Somebody who writes."""
        key = uuid.uuid4().hex
        found = Conversation(channel="rest", address_key=key, chat=key, user=key, language=language)
        session.add(found)
        await session.flush()
        return found

    async def opens(self, session: AsyncSession, conversation: Conversation) -> Ticket:
        """A complaint about an invoice, nothing recorded yet."""
        ticket = Ticket(
            conversation_id=conversation.id,
            type=TicketType.BILLING,
            severity=Severity.NORMAL,
            description="wrong",
            language=conversation.language,
        )
        session.add(ticket)
        await session.flush()
        return ticket

    async def ticket(self, user: User, team: str = "") -> int:
        """A ticket that somebody works on."""
        async with self.database.begin() as session:
            ticket = await self.opens(session, await self.conversation(session))
            ticket.team, ticket.agent_id = team, user.id
            return ticket.id

    async def hands_over(self, settings: Settings, language: str = "en") -> Begun:
        """A new conversation waits for a person."""
        async with self.database.begin() as session:
            talk = await self.conversation(session, language)
            row, standing = await assignment.hand_over(session, talk, "asked", settings)
            user = await session.get(User, row.offered_to_id) if row.offered_to_id else None
            return Begun(row, standing, user.username if user else "")

    async def claims(self, row: Handoff, user: User) -> None:
        """Somebody takes it."""
        async with self.database.begin() as session:
            talk = await session.get_one(Conversation, row.conversation_id, with_for_update=True)
            await handoff.claim(session, talk, user)

    async def times_out(self, timer: Timer, settings: Settings) -> None:
        """What the timer for an offer does."""
        async with self.database.begin() as session:
            found = await assignment.awaited(session, timer.payload)
            if found is not None:
                await assignment.pass_over(session, *found, settings)

    async def leaves(self, user: User) -> None:
        """Somebody is away."""
        async with self.database.begin() as session:
            await assignment.set_away(session, user, True)

    async def handoff(self, number: int) -> Handoff:
        """A hand-over as it is now."""
        async with self.database.read() as session:
            return await session.get_one(Handoff, number)

    async def talk(self, row: Handoff) -> Conversation:
        """The conversation of a hand-over."""
        async with self.database.read() as session:
            return await session.get_one(Conversation, row.conversation_id)

    async def due(self, kind: str) -> list[Timer]:
        """All timers of a kind, oldest first."""
        async with self.database.read() as session:
            return list(await session.scalars(select(Timer).where(Timer.kind == kind).order_by(Timer.id)))

    async def alerts(self) -> list[tuple[str, str]]:
        """Who was alerted of what, oldest first."""
        query = select(User.username, Alert.key).join(User, User.id == Alert.user_id).order_by(Alert.id)
        async with self.database.read() as session:
            return [(row.username, row.key) for row in await session.execute(query)]

    async def history(self, ticket: int) -> list[tuple[str, dict[str, Any]]]:
        """What was recorded of a ticket by the system."""
        query = select(TicketEvent).where(TicketEvent.ticket_id == ticket, TicketEvent.actor == tickets.SYSTEM)
        async with self.database.read() as session:
            return [(event.kind, event.detail) for event in await session.scalars(query.order_by(TicketEvent.id))]
