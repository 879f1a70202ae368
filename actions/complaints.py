"""Complaints and tickets."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from actions.people import to_person
from actions.registry import action, prompt
from bot import handovers
from bot.contracts import Button, Moment, Reply, TextKey
from bot.engine import Context
from bot.services import assignment, clocks, customers, ticket_life, tickets, transcripts
from bot.services.ticket_life import Change
from bot.state import Outcome
from bot.storage.models import Severity, Ticket, TicketStatus, TicketType

# A ticket's button says behind the number what it is for: "T-000042#reopen". Of what a customer types
# only the number is read.
REOPEN = "#reopen"
CORRECT = "#correct"


def _said_severity(context: Context) -> Severity | None:
    said = context.slots.get("severity", "")
    return Severity(said) if said in set(Severity) else None


def _ticket_button(key: str, ticket: Ticket, purpose: str) -> Button:
    title = TextKey(key, {"ticket": ticket.number, "type": TextKey(f"utter_type_{ticket.type.value}")})
    return Button(title, f'/ticket_status{{"ticket_number": "{ticket.number}{purpose}"}}')


async def _open(context: Context, kind: TicketType) -> Outcome:
    """Open a ticket; where one about the same is worked on already, ask whether to add to that."""
    number = context.slots.get("order_number", "")
    if context.decision == "yes":
        known = await tickets.find_visible(context.session, context.conversation, context.slots.get("duplicate", ""))
        # Resolved since the question was asked: then a new one, and nothing is lost.
        if known is not None and known.status in tickets.ACTIVE:
            return await _added(context, known, context.slots.get("description", ""))
    elif context.decision != "no":
        known = await tickets.duplicate(context.session, context.conversation, kind, number)
        if known is not None:
            return _ask_about(context, known)
    ticket = await tickets.open_ticket(
        context.session,
        context.conversation,
        kind=kind,
        severity=_said_severity(context),
        order_number=number,
        description=context.slots.get("description", ""),
        language=context.language,
        rules=context.settings.tickets.severity_rules,
        products=tuple(filter(None, (context.slots.get("product", ""),))),
        sentiment=_sentiment(context),
    )
    await clocks.begin(context.session, ticket, context.settings)
    await assignment.give_ticket(context.session, ticket, context.conversation, context.settings)
    # What was understood is said, so that the customer can put it right with one press.
    wrong = _ticket_button("utter_ticket_wrong_type", ticket, CORRECT) if kind is not TicketType.BILLING else None
    buttons = (wrong,) if wrong else ()
    opened = Reply("utter_ticket_opened", {"ticket": ticket.number}, buttons)
    return await _or_person(context, ticket, (opened, *await _promise(context, ticket)), raised=True)


def _sentiment(context: Context) -> float | None:
    """How the story sounds, or the message that it ends with where that sounds worse."""
    story = context.sounds(context.slots.get("description", ""))
    return min((value for value in (story, context.sentiment) if value is not None), default=None)


async def _or_person(context: Context, ticket: Ticket, replies: tuple[Reply, ...], *, raised: bool) -> Outcome:
    """What is said of a complaint; and where it calls for a person, the hand-over as well."""
    settings, triggers = context.settings, context.triggers
    reason = handovers.after_ticket(ticket, settings, triggers, raised=raised)
    if not reason:
        return Outcome(replies)
    return await to_person(context, reason, before=replies, ticket=ticket)


async def _promises(context: Context, found: Sequence[Ticket]) -> dict[int, Moment]:
    """Until when the customer has been promised to hear of tickets, by their own clock."""
    known = await clocks.clocks_of(context.session, [ticket.id for ticket in found])
    dates = {ticket: clocks.promised(rows, context.settings) for ticket, rows in known.items()}
    zone = await customers.zone_of(context.session, context.conversation, context.settings.shop)
    return {ticket: Moment(due, zone) for ticket, due in dates.items() if due is not None}


async def _promise(context: Context, ticket: Ticket) -> tuple[Reply, ...]:
    """What is promised about a ticket, if anything is."""
    promises = await _promises(context, [ticket])
    return tuple(Reply("utter_ticket_promise", {"due": due}) for due in promises.values())


def _ask_about(context: Context, known: Ticket) -> Outcome:
    """Ask whether to add to a ticket or to open a new one; the buttons hold for this very question only."""
    bound = f'{{"choice": "{context.state.turn}"}}'
    buttons = (
        Button(TextKey("utter_ticket_add", {"ticket": known.number}), f"/affirm{bound}"),
        Button(TextKey("utter_ticket_new"), f"/deny{bound}"),
    )
    question = Reply("utter_ticket_duplicate", {"ticket": known.number}, buttons)
    return Outcome((question,), confirm=True, keep={"duplicate": known.number})


async def _added(context: Context, ticket: Ticket, words: str) -> Outcome:
    """Add the customer's words to a ticket; one that waited for the customer is open again."""
    rules = context.settings.tickets.severity_rules
    session, settings, said = context.session, context.settings, _said_severity(context)
    replies = [Reply("utter_ticket_added", {"ticket": ticket.number})]
    waited = ticket.status is TicketStatus.PENDING_CUSTOMER
    async with clocks.following(session, ticket, settings):
        before, feeling = ticket.severity, _sentiment(context)
        await tickets.add(session, context.conversation, ticket, words, rules=rules, said=said, sentiment=feeling)
        if waited:
            opened = Change(TicketStatus.OPEN)
            await ticket_life.set_status(session, ticket, opened, tickets.CUSTOMER, settings.tickets)
    if waited:
        line = TextKey("utter_ticket_status_open")
        replies.append(Reply("utter_ticket_changed", {"ticket": ticket.number, "status": line}))
    return await _or_person(context, ticket, tuple(replies), raised=ticket.severity is not before)


@action("open_complaint", optional=("order_number", "description", "photo"))
async def open_complaint(context: Context) -> Outcome:
    """Open a ticket with type, severity, order, description and photo."""
    said = context.slots.get("complaint_type", "")
    if said not in set(TicketType):
        return Outcome(ask="complaint_type", clear=("complaint_type",))
    return await _open(context, TicketType(said))


@action("payment_problem", optional=("order_number", "description", "photo"))
async def payment_problem(context: Context) -> Outcome:
    """A ticket about money; its type needs no question."""
    return await _open(context, TicketType.BILLING)


def ticket_line(ticket: Ticket, zone: ZoneInfo) -> TextKey:
    """A ticket on one line; ``zone`` is where the merchant is."""
    return TextKey(
        "utter_ticket_line",
        {
            "ticket": ticket.number,
            "type": TextKey(f"utter_type_{ticket.type.value}"),
            "status": TextKey(f"utter_ticket_status_{ticket.status.value}"),
            "date": ticket.created_at.astimezone(zone).date(),
        },
    )


@action("ticket_status")
async def ticket_status(context: Context) -> Outcome:
    """How a complaint stands: one by its number, or all that may be seen here.

    A resolved one has a button for "it is not solved", as long as it can be reopened.
    """
    given = context.slots.get("ticket_number", "")
    number, hash_sign, purpose = given.partition("#")
    if given == transcripts.ASKED:
        return Outcome(start=("send_transcript", {}))
    if given:
        ticket = await tickets.find_visible(context.session, context.conversation, number)
        if ticket is None:
            return Outcome((Reply("utter_ticket_unknown", {"ticket": number}),))
        if hash_sign + purpose == REOPEN:
            return _begin_reopening(context, ticket)
        if hash_sign + purpose == CORRECT:
            return Outcome(start=("correct_ticket", {"ticket_number": ticket.number}))
        found = [ticket]
    else:
        found = list(await tickets.visible(context.session, context.conversation))
    if not found:
        return Outcome((Reply("utter_tickets_none"),))
    zone = ZoneInfo(context.settings.shop.timezone)
    promises = await _promises(context, found)
    lines: list[TextKey] = []
    for ticket in found:
        lines.append(ticket_line(ticket, zone))
        if ticket.id in promises:
            lines.append(TextKey("utter_ticket_promise", {"due": promises[ticket.id]}))
    key = "utter_ticket_not_solved" if len(found) == 1 else "utter_ticket_not_solved_which"
    buttons = tuple(
        _ticket_button(key, ticket, REOPEN)
        for ticket in found
        if ticket_life.can_reopen(ticket, context.settings.tickets)
    )
    return Outcome((Reply("utter_tickets_list", {"count": len(found), "lines": lines}, buttons),))


@prompt("description")
async def ask_description(_context: Context, intent: str) -> Reply:
    """Ask for the story, or for what is left of it when a ticket is opened again."""
    return Reply("utter_ask_not_solved" if intent == "reopen_ticket" else "utter_ask_description")


@action("correct_ticket", resumable=False)
async def correct_ticket(context: Context) -> Outcome:
    """Change a ticket's type to what the customer says it is; the rules look at it again."""
    ticket = await tickets.find_visible(context.session, context.conversation, context.slots.get("ticket_number", ""))
    said = context.slots.get("complaint_type", "")
    if ticket is None or said not in set(TicketType):
        return Outcome((Reply("utter_tickets_none"),))
    kind = TicketType(said)
    rules, words = context.settings.tickets.severity_rules, context.slots.get("description", "")
    before = ticket.severity
    async with clocks.following(context.session, ticket, context.settings):
        await ticket_life.classify(context.session, ticket, tickets.CUSTOMER, kind, ticket.severity)
        await tickets.raise_severity(context.session, ticket, rules, f"{ticket.description}\n{words}")
        if words:
            # It was said in words and not by a button: whatever they tell is kept.
            await tickets.add(context.session, context.conversation, ticket, words)
    told = TextKey(f"utter_type_{kind.value}")
    changed = Reply("utter_ticket_type_changed", {"ticket": ticket.number, "type": told})
    return await _or_person(context, ticket, (changed,), raised=ticket.severity is not before)


def _begin_reopening(context: Context, ticket: Ticket) -> Outcome:
    """Ask what is not solved; of a closed ticket the story is told for a new one."""
    if ticket.status in tickets.ACTIVE or ticket_life.can_reopen(ticket, context.settings.tickets):
        return Outcome(start=("reopen_ticket", {"ticket_number": ticket.number}))
    return _new_instead(ticket, {})


def _new_instead(ticket: Ticket, slots: dict[str, str]) -> Outcome:
    """Begin a new complaint about the same, as the old one is closed."""
    same = {"complaint_type": ticket.type.value, "order_number": ticket.order_number}
    return Outcome((Reply("utter_ticket_over", {"ticket": ticket.number}),), start=("open_complaint", same | slots))


@action("reopen_ticket", resumable=False)
async def reopen_ticket(context: Context) -> Outcome:
    """Open a resolved ticket again with what the customer says of it."""
    words, settings = context.slots.get("description", ""), context.settings.tickets
    ticket = await tickets.find_visible(context.session, context.conversation, context.slots.get("ticket_number", ""))
    if ticket is None:
        return Outcome((Reply("utter_tickets_none"),))
    if ticket.status in tickets.ACTIVE:
        # An agent has opened it meanwhile.
        return await _added(context, ticket, words)
    if not ticket_life.can_reopen(ticket, settings):
        return _new_instead(ticket, {"description": words})
    session, opened, said = context.session, Change(TicketStatus.OPEN), _said_severity(context)
    rules = settings.severity_rules
    async with clocks.following(session, ticket, context.settings):
        await ticket_life.set_status(session, ticket, opened, tickets.CUSTOMER, settings)
        before, feeling = ticket.severity, _sentiment(context)
        await tickets.add(
            session, context.conversation, ticket, words, rules=rules, said=said, kind="reopened", sentiment=feeling
        )
    reply = Reply("utter_ticket_reopened", {"ticket": ticket.number})
    replies = (reply, *await _promise(context, ticket))
    return await _or_person(context, ticket, replies, raised=ticket.severity is not before)
