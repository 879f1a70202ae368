"""What an agent can do in a conversation, wherever the agent sits: desk, Slack, Telegram.

Each function is one transaction's worth of work; the caller commits. What the customer hears is
queued in the same transaction.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import HandoffSettings, Settings, SurveySettings, TicketSettings
from bot.contracts import Author, Inbound, Owner, Reply, RoomAction, TextKey
from bot.outbox import Voice
from bot.services import handoff, rooms, surveys, ticket_life, tickets, users
from bot.services.handoff import HandoffError
from bot.services.ticket_life import Change
from bot.services.tickets import TicketError
from bot.state import State
from bot.storage.models import Conversation, Severity, Ticket, TicketStatus, TicketType, User

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


async def _ticket(session: AsyncSession, ticket_id: int) -> tuple[Ticket, Conversation]:
    """A ticket and its conversation, both locked, the conversation first as the bot does it.

    Raises:
        TicketError: there is no such ticket.
    """
    where = await session.scalar(select(Ticket.conversation_id).where(Ticket.id == ticket_id))
    if where is None:
        raise TicketError("unknown")
    conversation = await _locked(session, where)
    return await session.get_one(Ticket, ticket_id, with_for_update=True, populate_existing=True), conversation


async def _tell(session: AsyncSession, voice: Voice, conversation: Conversation, reply: Reply) -> None:
    """Tell the customer something; a question that the bot has open there must be asked for anew."""
    conversation.state = State.from_json(conversation.state).interrupted().to_json()
    await voice.say(session, conversation, reply)


def status_notice(ticket: Ticket) -> Reply:
    """What a customer is told of a ticket's new status."""
    if ticket.status is TicketStatus.RESOLVED:
        return Reply("utter_ticket_resolved", {"ticket": ticket.number})
    line = TextKey(f"utter_ticket_status_{ticket.status.value}")
    return Reply("utter_ticket_changed", {"ticket": ticket.number, "status": line})


async def set_ticket_status(
    session: AsyncSession, voice: Voice, ticket_id: int, change: Change, agent: User, settings: Settings
) -> Ticket:
    """Change a ticket's status; the customer is told, and asked to rate when it is resolved.

    Raises:
        TicketError: there is no such ticket, or :func:`bot.services.ticket_life.set_status` refuses.
    """
    ticket, conversation = await _ticket(session, ticket_id)
    if not await ticket_life.set_status(session, ticket, change, agent.username, settings.tickets):
        return ticket
    await _tell(session, voice, conversation, status_notice(ticket))
    if ticket.status is TicketStatus.RESOLVED and conversation.owner is Owner.BOT:
        await surveys.schedule(session, conversation, settings.surveys, ticket=ticket, agent_id=agent.id)
    return ticket


async def close_ticket(
    session: AsyncSession, voice: Voice, ticket_id: int, settings: TicketSettings, *, quiet: bool = False
) -> None:
    """Close a ticket that has been resolved for long enough.

    The customer is told, unless it is done ``quiet``, they want no notices, or a person is talking with them.
    """
    try:
        ticket, conversation = await _ticket(session, ticket_id)
    except TicketError:
        return
    if await ticket_life.close_if_due(session, ticket, settings):
        if not quiet and conversation.owner is Owner.BOT and conversation.surveys_stopped_at is None:
            await _tell(session, voice, conversation, status_notice(ticket))


async def note_ticket(session: AsyncSession, ticket_id: int, words: str, agent: User) -> None:
    """Add an internal note. Raises :class:`TicketError` for an unknown ticket, or no words or too many."""
    ticket, _ = await _ticket(session, ticket_id)
    await ticket_life.note(session, ticket, agent.username, words)


async def classify_ticket(
    session: AsyncSession, ticket_id: int, kind: TicketType, severity: Severity, agent: User, reason: str = ""
) -> None:
    """Correct type and severity. Raises :class:`TicketError` as :func:`bot.services.ticket_life.classify`."""
    ticket, _ = await _ticket(session, ticket_id)
    await ticket_life.classify(session, ticket, agent.username, kind, severity, reason.strip())


async def merge_ticket(
    session: AsyncSession, voice: Voice, ticket_id: int, number: str, agent: User, settings: TicketSettings
) -> Ticket:
    """Merge a ticket into the one with this number, which is returned; the customer is told once.

    Raises:
        TicketError: ``merge_unknown`` for a number that no ticket has, or as
            :func:`bot.services.ticket_life.merge`.
    """
    wanted = tickets.id_of(number)
    where = select(Ticket.id, Ticket.conversation_id).where(Ticket.id.in_([ticket_id, wanted or 0]))
    found: dict[int, int] = {row.id: row.conversation_id for row in await session.execute(where)}
    if ticket_id not in found:
        raise TicketError("unknown")
    if wanted is None or wanted not in found:
        raise TicketError("merge_unknown")
    # Always in the same order, so that two agents who merge at once wait for each other and not for ever.
    for conversation_id in sorted(set(found.values())):
        await _locked(session, conversation_id)
    locked = {item: (await _ticket(session, item))[0] for item in sorted(found)}
    source, target = locked[ticket_id], locked[wanted]
    await ticket_life.merge(session, source, target, agent.username, settings)
    conversation = await session.get_one(Conversation, source.conversation_id)
    told = Reply("utter_ticket_merged", {"ticket": source.number, "other": target.number})
    await _tell(session, voice, conversation, told)
    return target
