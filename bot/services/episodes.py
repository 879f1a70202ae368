"""Episodes: conversations go on for years; what figures count is one matter at a time.

An episode is a customer's messages with less than :data:`GAP` between them and everything that was said
meanwhile. Its subject is the first wish in it that the bot understood. They are made from the transcript by
the figures' worker, many messages at a time, never in a message's own transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from bot.contracts import Author
from bot.storage.figures import columns
from bot.storage.figures.columns import WORDS, day_of
from bot.storage.figures.facts import AUTHORS, FALLBACK, MESSAGE_COLUMNS, MESSAGES, UNDERSTOOD, UNREAD, WAIT
from bot.storage.models import Conversation, Customer, Episode, Handoff, Message, Ticket

GAP = timedelta(hours=24)
# Who asks for the same thing once more after so long has come back, even within an episode.
PAUSE = timedelta(hours=1)
# What says nothing about what a customer wants. Everything else that the bot knows is a wish.
SMALL_TALK = frozenset({"greet", "goodbye", "thank", "affirm", "deny", "bot_challenge"})
NEUTRAL = SMALL_TALK | {"inform", "answer_survey", "survey_comment"}
UNKNOWN = frozenset({"", "out_of_scope"})
CONFIDENCE_STEPS = 10_000


@dataclass(slots=True)
class Touched:
    """What columns are to be written anew: days of episodes and of messages; and who was answered by an agent."""

    episodes: set[date] = field(default_factory=set)
    messages: set[date] = field(default_factory=set)
    answered: set[int] = field(default_factory=set)

    def add(self, episode: Episode) -> None:
        """An episode has changed."""
        self.episodes.add(day_of(episode.began_at))
        day, last = day_of(episode.began_at), day_of(episode.ended_at)
        while day <= last:
            self.messages.add(day)
            day += timedelta(days=1)


class Reading(NamedTuple):
    """What the bot made of a customer's message: the intent, ``""`` for none; and how it is counted."""

    intent: str
    confidence: float
    counted: int


class _Span(NamedTuple):
    """A person's turn in a conversation."""

    begin: datetime
    end: datetime | None
    agent_id: int | None
    team: str


def reading_of(parse: dict[str, Any] | None, threshold: float, *, answer: bool, with_person: bool) -> Reading:
    """How a message was read.

    Args:
        parse: as it stands in the transcript.
        threshold: below this confidence nothing was understood, where the transcript does not say it itself.
        answer: whether it follows a survey, so that words without a wish belong to that.
        with_person: whether a person had the conversation, so that nothing depended on the reading.
    """
    if not parse:
        return Reading("", 0.0, UNREAD)
    found, confidence = parse["intent"]["name"] or "", float(parse["intent"]["confidence"])
    rated = any(item["entity"] == "survey" for item in parse.get("entities", ()))
    pressed = confidence >= 1.0
    known = found not in UNKNOWN and confidence >= threshold
    gave_up = parse.get("fallback")
    intent = found if known else ""
    neutral = rated or with_person or (answer and (not known or intent in NEUTRAL))
    if pressed or neutral:
        return Reading("inform" if neutral else intent, confidence, UNREAD)
    if gave_up is None:
        return Reading(intent, confidence, UNDERSTOOD if known else FALLBACK)
    if gave_up:
        return Reading("", confidence, FALLBACK)
    # Nothing recognised and yet no trouble: the words filled a form's slot, or there were none.
    return Reading(intent or "inform", confidence, UNDERSTOOD if found else UNREAD)


def follow(episode: Episode, reading: Reading, at: datetime) -> None:
    """Take one more message of the customer into an episode."""
    if reading.intent in NEUTRAL:
        if reading.intent == "thank" and not episode.plain:
            episode.thanked = True
        return
    episode.plain = episode.thanked = False
    if reading.intent and not episode.subject:
        episode.subject, episode.asked_at = reading.intent[:80], at
    elif reading.intent and reading.intent == episode.subject:
        if episode.asked_at is not None and at - episode.asked_at >= PAUSE:
            episode.again = True
        episode.asked_at = max(at, episode.asked_at or at)


class Builder:
    """Makes episodes of a batch of messages.

    Args:
        session: a transaction that writes.
        threshold: ``recognizer.threshold`` of the settings.
    """

    def __init__(self, session: AsyncSession, threshold: float) -> None:
        self._session = session
        self._threshold = threshold
        self.touched = Touched()
        self._episodes: dict[int, Episode] = {}
        self._spans: dict[int, list[_Span]] = {}
        self._asked_by: dict[int, Author] = {}
        self._closed: list[Episode] = []

    async def take(self, first: int, last: int, limit: int) -> int | None:
        """Take the next messages after one id, up to another.

        Returns:
            The id of the last message taken, None if there was none.
        """
        rows = (
            await self._session.execute(
                select(
                    Message.id,
                    Message.conversation_id,
                    Message.author,
                    Message.created_at,
                    Message.language,
                    Message.parse,
                )
                .where(Message.id > first, Message.id <= last)
                .order_by(Message.id)
                .limit(limit)
            )
        ).all()
        if not rows:
            return None
        talks = sorted({row.conversation_id for row in rows})
        for some in _chunks(talks):
            await self._look_up(some)
        begins: dict[int, Any] = {}
        for row in rows:
            begins.setdefault(row.conversation_id, row)
        await self._look_back([row for row in begins.values() if row.author is Author.CUSTOMER])
        placed: list[tuple[Any, Reading, Episode | None]] = []
        changed: dict[int, Episode] = {}
        for row in rows:
            reading, episode = self._place(row)
            placed.append((row, reading, episode))
            if episode is not None:
                changed[id(episode)] = episode
        changed |= {id(episode): episode for episode in self._closed}
        await self._session.flush()
        await describe(self._session, talks, list(changed.values()), self.touched)
        await mark_returns(self._session, list(changed.values()), self.touched)
        await self._session.flush()
        await self._append(placed)
        return int(rows[-1].id)

    async def _look_up(self, talks: Sequence[int]) -> None:
        newest = aliased(Episode)
        last = (
            select(newest.id)
            .where(newest.conversation_id == Conversation.id)
            .order_by(newest.id.desc())
            .limit(1)
            .correlate(Conversation)
            .scalar_subquery()
        )
        found = await self._session.scalars(
            select(Episode).join(Conversation, Episode.id == last).where(Conversation.id.in_(talks))
        )
        self._episodes |= {episode.conversation_id: episode for episode in found}
        self._spans |= await _spans(self._session, talks)

    async def _look_back(self, rows: Sequence[Any]) -> None:
        """Who wrote last, of the desk, before these messages of customers."""
        for some in _chunks(rows):
            earlier = aliased(Message)
            before = (
                select(earlier.author)
                .where(
                    earlier.conversation_id == Message.conversation_id,
                    earlier.id < Message.id,
                    earlier.author != Author.CUSTOMER,
                )
                .order_by(earlier.id.desc())
                .limit(1)
                .correlate(Message)
                .scalar_subquery()
            )
            query = select(Message.conversation_id, before.label("author")).where(
                Message.id.in_([row.id for row in some])
            )
            for found in await self._session.execute(query):
                if found.author is not None:
                    self._asked_by[found.conversation_id] = found.author

    def _place(self, row: Any) -> tuple[Reading, Episode | None]:
        talk, at = row.conversation_id, row.created_at
        episode = self._episodes.get(talk)
        if row.author is not Author.CUSTOMER:
            self._asked_by[talk] = row.author
            if row.author is Author.AGENT:
                self.touched.answered.add(talk)
            return Reading("", 0.0, UNREAD), episode
        person = any(span.begin <= at and (span.end is None or at < span.end) for span in self._spans.get(talk, ()))
        answer = self._asked_by.get(talk) is Author.SURVEY
        reading = reading_of(row.parse, self._threshold, answer=answer, with_person=person)
        if episode is None or at - episode.ended_at >= GAP:
            if episode is not None:
                # What began after it may have been taken for its own.
                self._closed.append(episode)
            episode = Episode(
                conversation_id=talk,
                first_id=row.id,
                began_at=at,
                ended_at=at,
                subject="",
                plain=True,
                thanked=False,
                again=False,
                escalated=False,
            )
            self._session.add(episode)
            self._episodes[talk] = episode
        elif not (answer and reading.intent in NEUTRAL):
            # A rating is no reason to think that the matter went on.
            episode.ended_at = max(episode.ended_at, at)
        follow(episode, reading, at)
        return reading, episode

    async def _append(self, placed: Sequence[tuple[Any, Reading, Episode | None]]) -> None:
        """Put the messages at the end of their days' columns."""
        talks = sorted({row.conversation_id for row, _, _ in placed})
        places: dict[int, Any] = {}
        for some in _chunks(talks):
            query = select(Conversation.id, Conversation.channel, Conversation.language).where(
                Conversation.id.in_(some)
            )
            places |= {row.id: row for row in await self._session.execute(query)}
        words = {word for place in places.values() for word in (place.channel, place.language)}
        numbers = await columns.lasting_codes(self._session, words | {row.language for row, _, _ in placed})
        by_day: dict[date, list[tuple[Any, ...]]] = defaultdict(list)
        for row, reading, episode in placed:
            place = places[row.conversation_id]
            by_day[day_of(row.created_at)].append(
                (
                    columns.seconds_of(row.created_at),
                    AUTHORS.index(row.author),
                    round(min(1.0, max(0.0, reading.confidence)) * CONFIDENCE_STEPS),
                    reading.counted,
                    episode.id if episode is not None else 0,
                    numbers[place.channel],
                    numbers[row.language or place.language],
                )
            )
        names = ("at", "author", "confidence", "read", "episode", "channel", "language")
        for day in sorted(set(by_day) | self.touched.messages):
            new = by_day.get(day, [])
            fresh = {name: columns.array(name, [row[place] for row in new]) for place, name in enumerate(names)}
            await _write_messages(self._session, day, fresh)
        self.touched.messages.clear()


def _person(episode: Episode) -> tuple[bool, int, str]:
    """Whose episode it is, as far as that is known, and on what subject."""
    customer = episode.customer_id
    return customer is not None, customer if customer is not None else episode.conversation_id, episode.subject


async def write_messages(session: AsyncSession, day: date) -> None:
    """Bring the columns of a day's messages in line with their episodes, which have changed."""
    await _write_messages(session, day, {})


async def _write_messages(session: AsyncSession, day: date, fresh: dict[str, columns.Array]) -> None:
    own = ("at", "author", "confidence", "read", "episode", "channel", "language")
    old = await columns.read(session, MESSAGES, day, day, own)
    found = {name: columns.joined([*old[name], *([fresh[name]] if fresh else [])], name) for name in own}
    if not len(found["at"]):
        return
    ids, groups = np.unique(found["episode"], return_inverse=True)
    rows: dict[int, Any] = {}
    for some in _chunks([int(number) for number in ids]):
        query = select(
            Episode.id, Episode.team, Episode.ticket_type.label("type"), Episode.product, Episode.country, Episode.tier,
            Episode.agent_id,
        ).where(Episode.id.in_(some))  # fmt: skip
        rows |= {row.id: row for row in await session.execute(query)}
    taken = [name for name in WORDS if name not in own]
    numbers = await columns.lasting_codes(session, {getattr(row, name) for row in rows.values() for name in taken})
    known = [rows.get(int(number)) for number in ids]
    for name in taken:
        values = columns.array(name, [numbers[getattr(row, name)] if row is not None else 0 for row in known])
        found[name] = values[groups]
    agents = columns.array("agent", [(row.agent_id or 0) if row is not None else 0 for row in known])
    found["agent"] = agents[groups]
    await columns.write(session, MESSAGES, day, {name: found[name] for name in MESSAGE_COLUMNS})


# ---------------------------------------------------------------------- what belongs to an episode


async def _spans(session: AsyncSession, talks: Sequence[int]) -> dict[int, list[_Span]]:
    """The hand-overs of conversations, in their order."""
    found: dict[int, list[_Span]] = defaultdict(list)
    query = select(Handoff.conversation_id, Handoff.started_at, Handoff.ended_at, Handoff.agent_id, Handoff.team).where(
        Handoff.conversation_id.in_(talks)
    )
    for row in await session.execute(query.order_by(Handoff.started_at, Handoff.id)):
        found[row.conversation_id].append(_Span(row.started_at, row.ended_at, row.agent_id, row.team))
    return found


async def describe(
    session: AsyncSession, talks: Sequence[int], episodes: Iterable[Episode] | None, touched: Touched
) -> list[Episode]:
    """Write down whose episodes these are, who took them over, and which complaints they led to; the episodes.

    Args:
        session: a transaction that writes.
        talks: the conversations.
        episodes: which of theirs; None: all.
        touched: where what has changed is noted.
    """
    wanted = None if episodes is None else {episode.id for episode in episodes}
    described: list[Episode] = []
    for some in _chunks(talks):
        own: dict[int, list[Episode]] = defaultdict(list)
        for episode in await session.scalars(
            select(Episode).where(Episode.conversation_id.in_(some)).order_by(Episode.conversation_id, Episode.id)
        ):
            own[episode.conversation_id].append(episode)
        spans = await _spans(session, some)
        tickets: dict[int, list[Any]] = defaultdict(list)
        query = select(
            Ticket.conversation_id, Ticket.created_at, Ticket.type, Ticket.product, Ticket.team, Ticket.agent_id,
            Ticket.country, Ticket.tier,
        ).where(Ticket.conversation_id.in_(some)).order_by(Ticket.id)  # fmt: skip
        for row in await session.execute(query):
            tickets[row.conversation_id].append(row)
        people = await session.execute(
            select(
                Conversation.id,
                Conversation.channel,
                Conversation.language,
                Conversation.customer_id,
                Customer.country,
                Customer.tier,
            )
            .outerjoin(Customer, Customer.id == Conversation.customer_id)
            .where(Conversation.id.in_(some))
        )
        for person in people:
            mine = own[person.id]
            for place, episode in enumerate(mine):
                if wanted is None or episode.id in wanted:
                    after = mine[place + 1].began_at if place + 1 < len(mine) else None
                    last = place + 1 == len(mine)
                    _describe(episode, person, last, _within(spans[person.id], episode.began_at, after, "begin"),
                              _within(tickets[person.id], episode.began_at, after, "created_at"))  # fmt: skip
                    touched.add(episode)
                    described.append(episode)
    return described


def _within(items: Sequence[Any], begin: datetime, end: datetime | None, name: str) -> list[Any]:
    return [item for item in items if begin <= getattr(item, name) and (end is None or getattr(item, name) < end)]


def _describe(episode: Episode, person: Any, last: bool, spans: Sequence[_Span], tickets: Sequence[Any]) -> None:
    episode.channel = person.channel
    if last or not episode.language:
        episode.language = person.language
    episode.customer_id = person.customer_id
    # Once somebody is erased, what they were counted under stays.
    episode.country = person.country or episode.country or next((t.country for t in tickets if t.country), "")
    episode.tier = person.tier or episode.tier or next((t.tier for t in tickets if t.tier), "")
    episode.escalated = bool(spans or tickets)
    if tickets:
        episode.ticket_type, episode.product = tickets[-1].type.value, tickets[-1].product
    takers = [item for item in (*tickets, *spans) if item.team or item.agent_id is not None]
    episode.team = takers[-1].team if takers else ""
    episode.agent_id = takers[-1].agent_id if takers else None


async def mark_returns(session: AsyncSession, episodes: Sequence[Episode], touched: Touched) -> None:
    """Mark those after which a customer came back on the same subject, here or on another channel.

    Args:
        session: a transaction that writes.
        episodes: those that are new or have changed: they may be what somebody came back after, or with.
        touched: where what has changed is noted.
    """
    about = [episode for episode in episodes if episode.subject]
    if not about:
        return
    since = min(episode.began_at for episode in about) - WAIT
    found = {episode.id: episode for episode in about}
    for column, name in ((Episode.conversation_id, "conversation_id"), (Episode.customer_id, "customer_id")):
        keys = sorted({getattr(episode, name) for episode in about} - {None})
        for some in _chunks(keys):
            query = select(Episode).where(column.in_(some), Episode.ended_at > since, Episode.subject != "")
            found |= {one.id: one for one in await session.scalars(query)}
    by_person: dict[tuple[bool, int, str], list[Episode]] = defaultdict(list)
    for one in found.values():
        by_person[_person(one)].append(one)
    changed = {episode.id for episode in about}
    for group in by_person.values():
        group.sort(key=lambda one: one.began_at)
        for place, later in enumerate(group):
            for one in group[:place]:
                pair = one.id in changed or later.id in changed
                if pair and not one.again and one.began_at < later.began_at < one.ended_at + WAIT:
                    one.again = True
                    touched.add(one)


def _chunks(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """Parts of a list that fit into one statement."""
    return (items[begin : begin + columns.CHUNK] for begin in range(0, len(items), columns.CHUNK))
