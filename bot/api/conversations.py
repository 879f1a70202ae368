"""Conversations, what was said in them, and what agents do there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Path, Query, Security
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot import agents
from bot.api import reading
from bot.api.door import Caller, Doer, agent_named, do, enter
from bot.api.problems import missing
from bot.api.schemas import (
    ActionGiven,
    ConversationOut,
    ConversationPage,
    Given,
    Id,
    Made,
    MessageOut,
    MessagePage,
    Moment,
    NoteGiven,
    NoteOut,
    Order,
    ReplyGiven,
    Short,
)
from bot.contracts import Owner
from bot.services import notes
from bot.storage.models import Conversation, Message, User

router = APIRouter(prefix="/conversations", tags=["conversations"])
Reader: TypeAlias = Annotated[Caller, Security(enter, scopes=["conversations:read"])]
Writer: TypeAlias = Annotated[Doer, Security(do, scopes=["conversations:write"])]
ConversationId: TypeAlias = Annotated[Id, Path()]


class ConversationFilter(Given):
    """Which conversations; all filters must hold."""

    owner: Owner | None = None
    channel: Short | None = None
    language: Short | None = None
    customer: Id | None = None
    agent: Short | None = Field(default=None, description="User name of the agent who has it.")
    updated_after: Moment | None = None
    updated_before: Moment | None = None
    sort: Order = Field(default="newest", description="By when they began.")
    cursor: Short | None = Field(default=None, description="What the page before gave as `next`.")
    limit: int = Field(default=50, ge=1, le=200)


class MessageFilter(Given):
    """Which messages."""

    sort: Order = "oldest"
    cursor: Short | None = Field(default=None, description="What the page before gave as `next`.")
    limit: int = Field(default=100, ge=1, le=500)


@router.get("", summary="List conversations")
async def list_conversations(caller: Reader, wanted: Annotated[ConversationFilter, Query()]) -> ConversationPage:
    """The conversations that fit, a page at a time."""
    query = select(Conversation)
    for column, value in (
        (Conversation.owner, wanted.owner),
        (Conversation.channel, wanted.channel),
        (Conversation.language, wanted.language),
        (Conversation.customer_id, wanted.customer),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.agent is not None:
        named = select(User.id).where(User.username == wanted.agent.strip().casefold())
        query = query.where(Conversation.agent_id.in_(named))
    if wanted.updated_after is not None:
        query = query.where(Conversation.updated_at >= wanted.updated_after)
    if wanted.updated_before is not None:
        query = query.where(Conversation.updated_at < wanted.updated_before)
    async with caller.door.database.read() as session:
        rows, after = await reading.page(
            session, query, Conversation.id, order=wanted.sort, cursor=wanted.cursor, limit=wanted.limit
        )
        return ConversationPage(items=await reading.conversation_items(session, [row[0] for row in rows]), next=after)


async def _shown(caller: Caller, conversation_id: int) -> ConversationOut:
    async with caller.door.database.read() as session:
        found = await reading.conversation_out(session, conversation_id)
    if found is None:
        raise missing("conversation", conversation_id)
    return found


@router.get("/{conversation_id}", summary="Read a conversation")
async def get_conversation(caller: Reader, conversation_id: ConversationId) -> ConversationOut:
    """A conversation with its open hand-over."""
    return await _shown(caller, conversation_id)


@router.get("/{conversation_id}/messages", summary="Read what was said")
async def list_messages(
    caller: Reader, conversation_id: ConversationId, wanted: Annotated[MessageFilter, Query()]
) -> MessagePage:
    """The messages of a conversation, a page at a time."""
    async with caller.door.database.read() as session:
        if await session.get(Conversation, conversation_id) is None:
            raise missing("conversation", conversation_id)
        rows, after = await reading.page(
            session,
            reading.MESSAGES.where(Message.conversation_id == conversation_id),
            Message.id,
            order=wanted.sort,
            cursor=wanted.cursor,
            limit=wanted.limit,
        )
        return MessagePage(items=await reading.messages_out(session, rows), next=after)


@router.post("/{conversation_id}/messages", status_code=201, summary="Answer the customer")
async def reply(doer: Writer, conversation_id: ConversationId, given: ReplyGiven) -> MessageOut:
    """Say something as an agent, who has claimed the conversation or claims it by this.

    Whether it has arrived is its `delivery`, later.
    """

    async def work(session: AsyncSession) -> int:
        agent = await agent_named(session, given.agent)
        sent = await agents.reply(session, doer.voice, conversation_id, agent, given.text, settings=doer.settings)
        said = await session.scalar(select(Message.id).where(Message.outbox_id == sent))
        if said is None:
            raise RuntimeError("what was said is not in the transcript")
        return said

    made = await doer.once(work)
    async with doer.caller.door.database.read() as session:
        rows = (await session.execute(reading.MESSAGES.where(Message.id == made))).all()
        (shown,) = await reading.messages_out(session, rows)
    return shown


async def _act(
    doer: Doer, conversation_id: int, given: ActionGiven, act: Callable[[AsyncSession, User], Awaitable[None]]
) -> ConversationOut | Made:
    async def work(session: AsyncSession) -> int:
        await act(session, await agent_named(session, given.agent))
        return conversation_id

    made = await doer.once(work)
    if not doer.may("conversations:read"):
        return Made(id=made, url=doer.url("conversations", made))
    return await _shown(doer.caller, made)


@router.post("/{conversation_id}/claim", summary="Take a waiting conversation")
async def claim(doer: Writer, conversation_id: ConversationId, given: ActionGiven) -> ConversationOut | Made:
    """Take a conversation that waits for a person."""

    async def act(session: AsyncSession, agent: User) -> None:
        await agents.claim(session, conversation_id, agent)

    return await _act(doer, conversation_id, given, act)


@router.post("/{conversation_id}/resolve", summary="Resolve a conversation")
async def resolve(doer: Writer, conversation_id: ConversationId, given: ActionGiven) -> ConversationOut | Made:
    """End the hand-over as resolved: the bot says so and answers again, and a survey may follow."""

    async def act(session: AsyncSession, agent: User) -> None:
        await agents.resolve(session, doer.voice, conversation_id, agent, doer.settings.surveys)

    return await _act(doer, conversation_id, given, act)


@router.post("/{conversation_id}/back", summary="Give a conversation back to the bot")
async def back(doer: Writer, conversation_id: ConversationId, given: ActionGiven) -> ConversationOut | Made:
    """End the hand-over without its being resolved: the bot says that it is back."""

    async def act(session: AsyncSession, agent: User) -> None:
        await agents.back_to_bot(session, doer.voice, conversation_id, agent)

    return await _act(doer, conversation_id, given, act)


@router.post("/{conversation_id}/notes", status_code=201, summary="Add a note to a conversation")
async def note_conversation(doer: Writer, conversation_id: ConversationId, given: NoteGiven) -> NoteOut:
    """Add an internal note, which the customer never sees."""

    async def work(session: AsyncSession) -> int:
        agent = await agent_named(session, given.agent)
        return (await notes.add(session, conversation_id, agent, given.text)).id

    made = await doer.once(work)
    async with doer.caller.door.database.read() as session:
        return await reading.note_out(session, made)
