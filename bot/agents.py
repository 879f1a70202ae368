"""What an agent can do in a conversation, wherever the agent sits: desk, Slack, Telegram.

Each function is one transaction's worth of work; the caller commits. What the customer hears is
queued in the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot import handovers, translation
from bot.config import HandoffSettings, Settings, SurveySettings, TicketSettings
from bot.contracts import Author, Button, Inbound, Media, Owner, Reply, RoomAction, TextKey
from bot.outbox import Voice
from bot.services import (
    assignment,
    clocks,
    files,
    handoff,
    rooms,
    surveys,
    teams,
    ticket_life,
    tickets,
    transcripts,
    translations,
    users,
)
from bot.services.handoff import HandoffError
from bot.services.ticket_life import Change
from bot.services.tickets import TicketError
from bot.state import State
from bot.storage.models import STEPPED_IN, Conversation, Role, Severity, Ticket, TicketStatus, TicketType, User
from bot.translation import ForReply

MAX_REPLY = 10_000
# Offered with the last words of a hand-over.
TRANSCRIPT = Button(TextKey("utter_transcript_button"), f'/ticket_status{{"ticket_number": "{transcripts.ASKED}"}}')


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a ticket is to be opened for. No ``severity``: what its type and the rules make of it."""

    kind: TicketType
    description: str
    severity: Severity | None = None
    order_number: str = ""
    language: str = ""


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
    began = await handoff.current(session, conversation_id)
    row = began or await handoff.begin(session, conversation, STEPPED_IN, settings)
    if began is None:
        await handovers.summarise(session, conversation, row, State.from_json(conversation.state))
    # What the bot was asking is the agent's now: a later "ok" must not answer it.
    conversation.state = {}
    await handoff.claim(session, conversation, agent)


async def _answerable(session: AsyncSession, conversation_id: int, agent: User, text: str) -> Conversation:
    """The conversation, locked and now this agent's. Raises as :func:`reply`."""
    if not text:
        raise HandoffError("empty")
    if len(text) > MAX_REPLY:
        raise HandoffError("too_long")
    conversation = await _locked(session, conversation_id)
    if conversation.unreachable_at is not None:
        raise HandoffError("unreachable")
    await handoff.claim(session, conversation, agent)
    return conversation


async def reply(
    session: AsyncSession,
    voice: Voice,
    conversation_id: int,
    agent: User,
    text: str,
    media: Sequence[Media] = (),
    *,
    settings: Settings,
    original: str = "",
    original_language: str = "",
    engine: str = "",
) -> int:
    """Send the customer an agent's words, and files; claims the conversation if nobody has. The outbox id.

    Files without words go under their names. They are kept with the message, as a customer's files are.
    Of a translation, ``original`` is what the agent wrote, in ``original_language``, and ``engine`` what
    translated it (see :func:`bot.translation.for_reply`); it is kept with the message as well.

    Raises:
        HandoffError: empty or too long, the bot has the conversation, another agent has it, or the
            customer has blocked the bot.
    """
    text = text.strip() or ", ".join(item.name for item in media)
    conversation = await _answerable(session, conversation_id, agent, text)
    said = Reply(text=text, media=tuple(media))
    sent = await voice.say(session, conversation, said, author=Author.AGENT, agent_id=agent.id)
    if media:
        await files.keep(session, conversation.id, sent[0], media)
    if original:
        await translations.keep_original(session, sent[0], original, original_language, engine)
    await clocks.answered(session, conversation, settings)
    return sent[0]


async def pass_on(
    session: AsyncSession,
    voice: Voice,
    conversation_id: int,
    agent: User,
    settings: Settings,
    *,
    team: str = "",
    to: User | None = None,
) -> None:
    """Hand a conversation that waits, or that this agent has, to another team or a colleague.

    It is in the queue again until it is claimed, and whoever is asked is alerted. A customer who was
    already talking with somebody is told, once. Managers may pass on what others have.

    Raises:
        HandoffError: ``nobody`` without a team or colleague who could take it, ``not_waiting`` if the bot
            has the conversation, ``taken`` if another agent has it.
    """
    wanted = teams.named(settings, team) if team else None
    if (team and wanted is None) or (wanted is None and to is None):
        raise HandoffError("nobody")
    if to is not None and (not to.active or to.away_since is not None or to.id == agent.id):
        raise HandoffError("nobody")
    conversation = await _locked(session, conversation_id)
    row = await handoff.current(session, conversation_id)
    if row is None:
        raise HandoffError("not_waiting")
    if row.agent_id not in (None, agent.id) and agent.role is Role.AGENT:
        raise HandoffError("taken")
    talking = row.agent_id is not None
    await assignment.hand_on(session, row, conversation, settings, by=agent, team=wanted, to=to)
    if talking:
        await voice.say(session, conversation, Reply("utter_handoff_returned"))


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
    await voice.say(session, conversation, Reply("utter_handoff_resolved", buttons=(TRANSCRIPT,)))
    await surveys.plan(session, conversation, settings, "conversation_closed", handoff_id=ended.id, agent_id=agent.id)


async def send_transcript(
    session: AsyncSession, voice: Voice, files_dir: Path, conversation_id: int, agent: User
) -> int:
    """Send the customer what was said in this conversation, as a file. The outbox id.

    Args:
        session: the transaction.
        voice: words and outbox.
        files_dir: where the file is written.
        conversation_id: which conversation; it goes there and nowhere else.
        agent: who sends it.

    Raises:
        HandoffError: there is no such conversation, another agent has it, or the customer has blocked the bot.
    """
    conversation = await _locked(session, conversation_id)
    if conversation.agent_id not in (None, agent.id):
        raise HandoffError("taken")
    if conversation.unreachable_at is not None:
        raise HandoffError("unreachable")
    language = voice.language(conversation)
    media = await transcripts.write(session, voice.texts, files_dir, conversation, language)
    sent = await voice.say(session, conversation, Reply("utter_transcript", media=(media,)), agent_id=agent.id)
    return sent[0]


async def _postponed(
    session: AsyncSession,
    voice: Voice,
    conversation: Conversation,
    event: Inbound,
    settings: Settings,
    agent: User,
    inbox_id: int,
) -> bool:
    """Whether what an agent asked for in a room must wait: for its own translation, or for a reply before it.

    Raises:
        HandoffError: it is a reply that could not be sent either way.
    """
    if not translations.is_on(settings) or event.payload == RoomAction.CLAIM:
        return False
    needed = False
    if event.payload == RoomAction.REPLY:
        await _answerable(session, conversation.id, agent, event.text.strip())
        understood = translations.understands(agent, voice.language(conversation), settings)
        needed = not understood and not event.text.lstrip().startswith(translation.AS_WRITTEN)
    if not needed and not await translations.waits(session, conversation.id):
        return False
    await translations.queue(session, conversation.id, inbox_id, agent)
    return True


async def act(
    session: AsyncSession,
    voice: Voice,
    conversation: Conversation,
    event: Inbound,
    settings: Settings,
    *,
    inbox_id: int = 0,
    ready: ForReply | None = None,
) -> None:
    """Do what an agent asked for in a room; where it cannot be done, the room says why, to that agent.

    A reply that must be translated first is not sent here but by a timer, and so is all that comes after it.

    Args:
        session: the transaction.
        voice: words and outbox.
        conversation: the room's, locked.
        event: what the agent did.
        settings: all settings.
        inbox_id: the event's row.
        ready: the words for the customer, where that timer asks; None to find out whether they must wait.
    """
    address, where = event.address, conversation.id
    agent = await users.of_identity(session, address.channel, address.user, event.name)
    try:
        if not agent.active:
            raise HandoffError("not_allowed")
        if ready is None and await _postponed(session, voice, conversation, event, settings, agent, inbox_id):
            return
        if event.payload == RoomAction.REPLY:
            # The one variable of a ready-made reply that was not known before.
            said = ready or ForReply(event.text.replace("{agent}", agent.name))
            if ready is None and translations.is_on(settings):
                said = replace(said, text=translation.as_written(said.text))
            await reply(
                session,
                voice,
                where,
                agent,
                said.text,
                settings=settings,
                original=said.original,
                original_language=said.original_language,
                engine=said.engine,
            )
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


async def hold_tickets(session: AsyncSession, ticket_ids: Sequence[int]) -> list[Ticket]:
    """Tickets, locked until the transaction ends, so that what is decided by their state holds.

    Raises:
        TicketError: one of them does not exist.
    """
    wanted = sorted(set(ticket_ids))
    where = select(Ticket.conversation_id).where(Ticket.id.in_(wanted)).distinct()
    # As merge_ticket does it: always in the same order.
    for conversation_id in sorted(await session.scalars(where)):
        await _locked(session, conversation_id)
    return [(await _ticket(session, ticket_id))[0] for ticket_id in wanted]


async def open_ticket(
    session: AsyncSession, where: Conversation, complaint: Complaint, agent: User, settings: Settings
) -> Ticket:
    """Open a ticket in a conversation for something that its customer told elsewhere; the customer hears nothing.

    A customer who is linked to the conversation counts as known, verified just now or not.
    """
    conversation = await _locked(session, where.id)
    ticket = await tickets.open_ticket(
        session,
        conversation,
        kind=complaint.kind,
        severity=complaint.severity,
        order_number=complaint.order_number,
        description=complaint.description,
        language=complaint.language or conversation.language,
        rules=settings.tickets.severity_rules,
        vouched=conversation.customer_id,
        actor=agent.username,
    )
    await clocks.begin(session, ticket, settings)
    await assignment.give_ticket(session, ticket, conversation, settings)
    return ticket


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
    await clocks.follow(session, ticket, settings, answered=conversation.unreachable_at is None)
    await _tell(session, voice, conversation, status_notice(ticket))
    if ticket.status is TicketStatus.RESOLVED:
        # While a person has the conversation it waits.
        await surveys.plan(session, conversation, settings.surveys, "ticket_resolved", ticket=ticket, agent_id=agent.id)
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
    session: AsyncSession,
    ticket_id: int,
    kind: TicketType,
    severity: Severity,
    agent: User,
    reason: str = "",
    *,
    settings: Settings,
) -> None:
    """Correct type and severity. Raises :class:`TicketError` as :func:`bot.services.ticket_life.classify`."""
    ticket, _ = await _ticket(session, ticket_id)
    async with clocks.following(session, ticket, settings):
        await ticket_life.classify(session, ticket, agent.username, kind, severity, reason.strip())


async def assign_ticket(session: AsyncSession, ticket_id: int, *, team: str, agent: User | None, by: User) -> bool:
    """Give a ticket to a team (``""``: none) and an agent, or to nobody; whether that changed anything.

    Raises:
        TicketError: ``unknown``, ``merged``, or ``agent`` for one who does not work here any more.
    """
    ticket, _ = await _ticket(session, ticket_id)
    if ticket.merged_into_id is not None:
        raise TicketError("merged")
    if agent is not None and not agent.active:
        raise TicketError("agent")
    return await assignment.set_ticket(session, ticket, team, agent, by.username)


async def release_ticket(session: AsyncSession, ticket_id: int, user_id: int, settings: Settings) -> None:
    """Give the ticket of somebody who is away to another member of its team, or to nobody."""
    ticket, conversation = await _ticket(session, ticket_id)
    user = await session.get_one(User, user_id, populate_existing=True)
    if user.away_since is not None and ticket.agent_id == user_id and ticket.status in tickets.ACTIVE:
        await assignment.give_ticket(session, ticket, conversation, settings, besides={user_id})


async def merge_ticket(
    session: AsyncSession, voice: Voice, ticket_id: int, number: str, agent: User, settings: Settings
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
    async with clocks.following(session, target, settings):
        await ticket_life.merge(session, source, target, agent.username, settings.tickets)
    await clocks.follow(session, source, settings)
    conversation = await session.get_one(Conversation, source.conversation_id)
    told = Reply("utter_ticket_merged", {"ticket": source.number, "other": target.number})
    await _tell(session, voice, conversation, told)
    return target
