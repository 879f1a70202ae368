"""What an agent can do in a conversation, wherever the agent sits: desk, Slack, Telegram.

Each function is one transaction's worth of work; the caller commits. What the customer hears is
queued in the same transaction.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import HandoffSettings, Settings, SurveySettings
from bot.contracts import Author, Inbound, Owner, Reply, RoomAction, TextKey
from bot.outbox import Voice
from bot.services import handoff, rooms, surveys, tickets, users
from bot.services.handoff import HandoffError
from bot.state import State
from bot.storage.models import Conversation, Ticket, TicketStatus, User

MAX_REPLY = 10_000


async def _locked(session: AsyncSession, conversation_id: int) -> Conversation:
    """The conversation, locked: the bot and other agents wait.

    Raises:
        HandoffError: there is no such conversation.
    """
    found: Conversation | None = await session.scalar(
        select(Conversation).where(Conversation.id == conversation_id).with_for_update()
    )
    if found is None:
        raise HandoffError("unknown")
    return found


async def claim(session: AsyncSession, conversation_id: int, agent: User) -> None:
    """Take a waiting conversation. Raises :class:`HandoffError` if someone else has it."""
    await handoff.claim(session, await _locked(session, conversation_id), agent)


async def take_over(session: AsyncSession, conversation_id: int, agent: User, settings: HandoffSettings) -> None:
    """Step into a conversation that the bot has, without the customer having asked."""
    conversation = await _locked(session, conversation_id)
    # What the bot was asking is the agent's now: a later "ok" must not answer it.
    conversation.state = {}
    await handoff.begin(session, conversation, "agent", settings)
    await handoff.claim(session, conversation, agent)


async def reply(session: AsyncSession, voice: Voice, conversation_id: int, agent: User, text: str) -> int:
    """Send the customer an agent's words; claims the conversation if nobody has. The outbox id.

    Raises:
        HandoffError: empty or too long, the bot has the conversation, another agent has it, or the
            customer has blocked the bot.
    """
    text = text.strip()
    if not text:
        raise HandoffError("empty")
    if len(text) > MAX_REPLY:
        raise HandoffError("too_long")
    conversation = await _locked(session, conversation_id)
    if conversation.unreachable_at is not None:
        raise HandoffError("unreachable")
    await handoff.claim(session, conversation, agent)
    sent = await voice.say(session, conversation, Reply(text=text), author=Author.AGENT, agent_id=agent.id)
    return sent[0]


async def back_to_bot(session: AsyncSession, voice: Voice, conversation_id: int, agent: User) -> None:
    """Give the conversation back to the bot, which says so once.

    Raises:
        HandoffError: the bot has it already, or another agent has it.
    """
    conversation = await _locked(session, conversation_id)
    await handoff.claim(session, conversation, agent)
    await handoff.end(session, conversation, "back_to_bot")
    await voice.say(session, conversation, Reply("utter_handoff_back"))


async def resolve(
    session: AsyncSession, voice: Voice, conversation_id: int, agent: User, settings: SurveySettings
) -> None:
    """End the hand-over as resolved and plan the satisfaction survey.

    Raises:
        HandoffError: the bot has it, or another agent has it.
    """
    conversation = await _locked(session, conversation_id)
    ended = await handoff.claim(session, conversation, agent)
    await handoff.end(session, conversation, "resolved")
    await voice.say(session, conversation, Reply("utter_handoff_resolved"))
    await surveys.schedule(session, conversation, settings, handoff_id=ended.id, agent_id=agent.id)


async def act(
    session: AsyncSession, voice: Voice, conversation: Conversation, event: Inbound, settings: Settings
) -> None:
    """Do what an agent asked for in a room; where it cannot be done, the room says why, to that agent."""
    address, where = event.address, conversation.id
    agent = await users.of_identity(session, address.channel, address.user, event.name)
    try:
        if not agent.active:
            raise HandoffError("not_allowed")
        if event.payload == RoomAction.REPLY:
            # The one variable of a ready-made reply that was not known before.
            await reply(session, voice, where, agent, event.text.replace("{agent}", agent.name))
        elif event.payload == RoomAction.RESOLVE:
            await resolve(session, voice, where, agent, settings.surveys)
        elif event.payload == RoomAction.BACK:
            await back_to_bot(session, voice, where, agent)
        else:
            await claim(session, where, agent)
    except HandoffError as error:
        await rooms.tell(session, where, f"handoff.{error}", only=(address.channel, address.user))


async def set_ticket_status(
    session: AsyncSession,
    voice: Voice,
    ticket_id: int,
    status: TicketStatus,
    agent: User,
    settings: SurveySettings,
) -> Ticket:
    """Change a ticket's status; the customer is told, and asked to rate when it is resolved.

    Raises:
        HandoffError: there is no such ticket.
    """
    ticket = await session.get(Ticket, ticket_id, with_for_update=True)
    if ticket is None:
        raise HandoffError("unknown")
    conversation = await _locked(session, ticket.conversation_id)
    if not await tickets.set_status(session, ticket, status, agent.username):
        return ticket
    conversation.state = State.from_json(conversation.state).interrupted().to_json()
    if status is TicketStatus.RESOLVED:
        await voice.say(session, conversation, Reply("utter_ticket_resolved", {"ticket": ticket.number}))
        if conversation.owner is Owner.BOT:
            await surveys.schedule(session, conversation, settings, ticket=ticket, agent_id=agent.id)
    else:
        line = TextKey(f"utter_ticket_status_{status.value}")
        await voice.say(session, conversation, Reply("utter_ticket_changed", {"ticket": ticket.number, "status": line}))
    return ticket
