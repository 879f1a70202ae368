"""Hand-overs as the customer and the agents meet them: what triggers one, what is said, what the agent is told."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings
from bot.contracts import Author, Button, Moment, Parse, Reply, TextKey
from bot.dialogue import resolve_choice
from bot.outbox import Voice
from bot.services import assignment, callbacks, handoff
from bot.services.assignment import Standing
from bot.services.customers import is_verified, zone_of
from bot.services.severity import mentions
from bot.state import Run, State, Step
from bot.storage.models import Conversation, Customer, Handoff, Message, Ticket

# The codes of what hands a conversation over by itself, see bot.config.Triggers.
SEVERITY, UNHAPPY, UNSURE, VERIFICATION, VIP = "severity", "unhappy", "unsure", "verification", "vip"
DISTRESS = "distress"
# What is said as it begins; for any other reason that a colleague is coming.
LEADS: Mapping[str, str] = {
    DISTRESS: "utter_handoff_distress",
    SEVERITY: "utter_handoff_serious",
    UNHAPPY: "utter_handoff_unhappy",
    UNSURE: "utter_handoff_unsure",
    VERIFICATION: "utter_handoff_verification",
}
# These do not say that somebody comes at once, so they also stand before "nobody is here at the moment".
_PATIENT = frozenset({DISTRESS, UNHAPPY, UNSURE, VERIFICATION})
# Bad words about a survey, or with a wish to hear and have stored nothing more, are no call for a person.
LEFT_ALONE = frozenset({"answer_survey", "survey_comment", "give_feedback", "stop_messages", "delete_data"})
# Replies that are not worth keeping once a person takes over.
_NO_ANSWER = frozenset({"utter_fallback", "utter_clarify", "utter_out_of_scope", "utter_empty", "utter_offer_person"})
# How many of the customer's last messages the summary tells of.
READINGS = 5
_CALL = re.compile(r'/talk_to_human\{"callback": "(\d{1,15})"\}')


# ------------------------------------------------------------------ triggers


def cries_for_help(settings: Settings, text: str) -> bool:
    """Whether somebody says that they may harm themselves; in any language, as who despairs may use their own."""
    return mentions(text, tuple(chain.from_iterable(settings.handoff.triggers.distress_words.values())))


async def suspected(
    session: AsyncSession,
    conversation: Conversation,
    settings: Settings,
    parse: Parse,
    sentiment: float | None,
    *,
    pressed: bool,
) -> frozenset[str]:
    """The triggers that a message may set off: ``distress``, ``unsure``, ``unhappy``, ``vip``.

    None of them right after a hand-over that it had caused; and bad temper not after any, as it may
    well be about how that went. A cry for help is heard each time.
    """
    triggers, found = settings.handoff.triggers, set()
    if not pressed and cries_for_help(settings, parse.text):
        return frozenset({DISTRESS})
    if not pressed and parse.intent in triggers.sensitive_intents and parse.confidence < triggers.sensitive_below:
        found.add(UNSURE)
    if sentiment is not None and triggers.sentiment_below is not None and sentiment <= triggers.sentiment_below:
        found.add(UNHAPPY)
    if triggers.tiers and is_verified(conversation):
        customer = await session.get(Customer, conversation.customer_id)
        if customer is not None and customer.tier.casefold() in {tier.casefold() for tier in triggers.tiers}:
            found.add(VIP)
    if not found:
        return frozenset()
    lately = await handoff.ended_lately(session, conversation.id)
    return frozenset(found - lately - ({UNHAPPY} if lately else set()))


def after_ticket(ticket: Ticket, settings: Settings, triggers: frozenset[str], *, raised: bool) -> str:
    """Why a complaint hands the conversation over, ``""`` if it does not.

    Args:
        ticket: the complaint's.
        settings: all settings.
        triggers: what :func:`suspected` found in the message.
        raised: whether the ticket is new, or its severity was raised by this message.
    """
    if raised and ticket.severity.value in settings.handoff.triggers.severities:
        return SEVERITY
    if UNHAPPY in triggers:
        return UNHAPPY
    return VIP if VIP in triggers else ""


async def after_message(
    session: AsyncSession,
    conversation: Conversation,
    settings: Settings,
    before: State,
    parse: Parse,
    step: Step,
    replies: Sequence[Reply],
) -> tuple[Step, list[Reply]]:
    """Hand a very unhappy customer over, once their message has been dealt with.

    An answer that it got is kept; a question to the customer is not, as nobody waits for its answer.
    """
    busy = before.task.intent if before.task is not None else ""
    if busy in LEFT_ALONE or parse.intent in LEFT_ALONE:
        return step, list(replies)
    asking = bool(step.ask) or step.state.task is not None
    kept = [] if asking else [reply for reply in replies if reply.key not in _NO_ANSWER]
    row, standing = await assignment.hand_over(session, conversation, UNHAPPY, settings)
    said = await words(session, conversation, settings, row, standing)
    old = step.state
    fresh = State(turn=old.turn, language_chosen=old.language_chosen, about=old.about)
    return Step(fresh), [*(without_buttons(reply) for reply in kept), *said]


def without_buttons(reply: Reply) -> Reply:
    """A reply without its own buttons: the bot is silent, so nobody would hear them."""
    return replace(reply, buttons=(), quick_replies=())


# ------------------------------------------------------------------ what the customer is told


async def words(
    session: AsyncSession,
    conversation: Conversation,
    settings: Settings,
    row: Handoff,
    standing: Standing,
    lead: Reply | None = None,
) -> tuple[Reply, ...]:
    """What is said as a hand-over begins: that it does, the place in the queue, or when somebody is here again.

    Args:
        session: the transaction.
        conversation: whose.
        settings: all settings.
        row: the hand-over.
        standing: how it stands in the queue.
        lead: what is said first; default what fits the reason.
    """
    own = lead is not None
    lead = lead or Reply(LEADS.get(row.reason, "utter_handoff_started"))
    call = Button(TextKey("utter_callback_button"), f'/talk_to_human{{"callback": "{row.id}"}}')
    if standing.opens is not None:
        opens = Moment(standing.opens, await zone_of(session, conversation, settings.shop))
        closed = Reply("utter_handoff_closed", {"opens": opens}, (call,))
        return (lead, closed) if own or row.reason in _PATIENT else (closed,)
    if standing.absent:
        # Nobody knows when they are back.
        return (replace(lead, buttons=(*lead.buttons, call)),)
    if standing.free:
        return (lead,)
    place = Reply("utter_handoff_queue", {"count": standing.before})
    told = [lead, place if standing.before else Reply("utter_handoff_first_in_line")]
    if standing.minutes is not None:
        told.append(Reply("utter_handoff_wait", {"count": standing.minutes}))
    return tuple(told)


def wanted_call(conversation_state: Mapping[str, Any], text: str, parse: Parse, *, pressed: bool) -> int | None:
    """The hand-over in whose place a customer who waits wants to be called; None if that is not what they say.

    By the button, or by typing its title or number where a platform has no buttons.
    """
    if pressed:
        asked = parse.values("callback")[-1:]
        return int(asked[0]) if asked and asked[0].isascii() and asked[0].isdecimal() and len(asked[0]) < 16 else None
    found = _CALL.fullmatch(resolve_choice(State.from_json(conversation_state), text))
    return int(found[1]) if found else None


async def begin_call(session: AsyncSession, voice: Voice, handoff_id: int, settings: Settings) -> None:
    """The time of a call has come: its hand-over begins, and the customer is told."""
    found = await callbacks.begin_call(session, handoff_id, settings)
    if found is None:
        return
    conversation, row, begins = found
    if not begins:
        return
    conversation.state = {}
    told = Reply("utter_callback_now", {"phone": callbacks.spaced(row.phone)})
    await voice.say(session, conversation, told if row.phone else Reply("utter_handoff_started"))


# ------------------------------------------------------------------ what the agent is told


async def summarise(
    session: AsyncSession,
    conversation: Conversation,
    row: Handoff,
    state: State,
    *,
    parse: Parse | None = None,
    tried: Run | None = None,
) -> None:
    """Keep what the bot understood and tried with a hand-over, before it forgets; once.

    Args:
        session: the transaction.
        conversation: whose.
        row: the hand-over.
        state: what the dialogue remembered.
        parse: the reading of the message that led to it, which is not in the transcript yet.
        tried: the last action that ran, with its slots.
    """
    if row.summary:
        return
    past = await session.scalars(
        select(Message.parse)
        .where(
            Message.conversation_id == conversation.id, Message.author == Author.CUSTOMER, Message.parse.is_not(None)
        )
        .order_by(Message.id.desc())
        .limit(READINGS)
    )
    readings = [
        {"intent": item["intent"]["name"] or "", "confidence": round(item["intent"]["confidence"], 2)}
        for item in reversed(past.all())
        if item
    ]
    if parse is not None:
        readings.append({"intent": parse.intent, "confidence": round(parse.confidence, 2)})
    task = state.task or (state.stack[-1] if state.stack else None)
    form, slots = (task.intent, task.slots) if task is not None else ("", {})
    if tried is not None and tried.slots and tried.intent not in _TO_PEOPLE:
        form, slots = tried.intent, {**slots, **tried.slots}
    row.summary = {
        "intents": readings[-READINGS:],
        "form": form,
        "slots": {name: value for name, value in slots.items() if value and name not in _INNER},
        "failed": state.failed,
        "order": state.about,
    }
    await session.flush()


_TO_PEOPLE = frozenset({"talk_to_human", "request_callback"})
# Slots that are the dialogue's own business.
_INNER = frozenset({"hinted", "remembered", "tried", "tried_for", "duplicate", "survey", "callback", "reason", "photo"})
