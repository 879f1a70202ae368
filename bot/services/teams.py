"""Teams: which one a conversation or a ticket belongs to, when it works, which one is asked after it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings, Team
from bot.services.business_hours import calendar_of
from bot.services.customers import is_verified
from bot.storage.models import Conversation, Customer, Ticket


@dataclass(frozen=True, slots=True)
class Matter:
    """What a team is chosen by. ``kind`` is a ticket's type, ``""`` where there is no ticket."""

    kind: str = ""
    language: str = ""
    tier: str = ""
    channel: str = ""


async def matter_of(
    session: AsyncSession, conversation: Conversation, settings: Settings, ticket: Ticket | None = None
) -> Matter:
    """What a conversation, or a ticket that was opened in it, is about. A tier counts only where it is proved."""
    language = conversation.language or settings.shop.default_language
    customer_id = conversation.customer_id if is_verified(conversation) else None
    if ticket is not None:
        language, customer_id = ticket.language or language, ticket.customer_id or customer_id
    customer = await session.get(Customer, customer_id) if customer_id is not None else None
    return Matter(
        kind=ticket.type.value if ticket is not None else "",
        language=language,
        tier=customer.tier if customer is not None else "",
        channel=conversation.channel,
    )


def named(settings: Settings, name: str) -> Team | None:
    """The team with this name, None if there is none."""
    return next((team for team in settings.teams if team.name == name), None)


def conditional(team: Team) -> bool:
    """Whether a team takes only some matters; one that takes all is the fallback."""
    return bool(team.types or team.languages or team.tiers or team.channels)


def fits(team: Team, matter: Matter) -> bool:
    """Whether a matter is one of those that the team takes.

    A team with types takes what comes from a ticket of one of them, and nothing else.
    """
    tiers = {tier.casefold() for tier in team.tiers}
    return (
        (not team.types or matter.kind in team.types)
        and (not team.languages or matter.language in team.languages)
        and (not tiers or matter.tier.casefold() in tiers)
        and (not team.channels or matter.channel in team.channels)
    )


def opening(settings: Settings, team: Team, moment: datetime) -> datetime | None:
    """When a closed team opens next; None while it is open. Without a calendar it always is."""
    if not team.calendar:
        return None
    calendar = calendar_of(settings, team.calendar)
    return None if calendar.is_open(moment) else calendar.next_opening(moment)


def choose(settings: Settings, matter: Matter, moment: datetime) -> Team | None:
    """The team that a matter goes to; None for everyone.

    The first in the order of the settings that fits and is open; if all that fit are closed, the first
    of them. A team without conditions comes after those with one, wherever it stands.
    """
    fitting = [team for team in settings.teams if fits(team, matter)]
    fitting.sort(key=conditional, reverse=True)
    open_now = (team for team in fitting if opening(settings, team, moment) is None)
    return next(open_now, fitting[0] if fitting else None)


def following(settings: Settings, team: Team, asked: Collection[str], moment: datetime) -> Team | None:
    """The team that is asked after this one: the next that is open and was not asked yet; None at the chain's end."""
    seen = {*asked, team.name}
    after = named(settings, team.next)
    while after is not None and after.name not in seen:
        if opening(settings, after, moment) is None:
            return after
        seen.add(after.name)
        after = named(settings, after.next)
    return None


def of_user(settings: Settings, username: str) -> tuple[Team, ...]:
    """The teams that a user is a member or the lead of."""
    name = username.casefold()
    return tuple(team for team in settings.teams if name in team.members or name == team.lead)
