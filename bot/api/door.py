"""Who calls, what they may do, how often, and that repeats of a call do nothing twice."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Header, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from bot import agents
from bot.api.problems import ApiProblem
from bot.api.problems import field as field_problem
from bot.config import Config, Settings
from bot.contracts import Limits
from bot.outbox import Voice
from bot.pace import Pace
from bot.services import api_calls, api_tokens
from bot.storage import Database
from bot.storage.models import ApiToken, Ticket, User

MINUTE = 60.0
MAX_KEY = 200

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="A key made by `linguadesk token add`. It may do what its scopes say.",
)


@dataclass(slots=True)
class Door:
    """What the API works with: the same parts as the desk."""

    database: Database
    voice: Voice
    config: Config
    pace: Pace = field(init=False)
    # When each key's use was last written down, by this process (monotonic).
    _noted: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pace = Pace(Limits(per_chat=(self.config.settings.api.per_minute, MINUTE)))

    async def enter(self, given: str) -> ApiToken:
        """The key that this is.

        Raises:
            ApiProblem: 401 for one that is unknown or revoked, 429 for one that is used too often.
        """
        async with self.database.glance() as session:
            token = await api_tokens.authenticate(session, given)
        if token is None:
            hint = "This key is unknown or revoked; `linguadesk token list` shows those that work."
            raise ApiProblem(401, "unauthorised", hint, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
        wait = self.pace.delay(str(token.id))
        if wait > 0:
            seconds = math.ceil(wait)
            hint = f"One key may call {self.config.settings.api.per_minute} times a minute; wait {seconds} seconds."
            raise ApiProblem(429, "too_many", hint, headers={"Retry-After": str(seconds)})
        async with self.pace.turn(str(token.id)):
            pass
        await self._note(token)
        return token

    async def _note(self, token: ApiToken) -> None:
        moment = time.monotonic()
        if api_tokens.is_stale(token) and moment - self._noted.get(token.id, -MINUTE) >= MINUTE:
            self._noted[token.id] = moment
            async with self.database.begin() as session:
                await api_tokens.used(session, token.id)


def door_of(request: Request) -> Door:
    """The parts that this request is answered with."""
    door: Door = request.app.state.door
    return door


@dataclass(slots=True)
class Caller:
    """One call by a key that may make it."""

    door: Door
    token: ApiToken
    request: Request


async def enter(
    request: Request,
    needed: SecurityScopes,
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Caller:
    """Let in whoever may do this; the dependency of every operation.

    Raises:
        ApiProblem: 401, 403 or 429.
    """
    if given is None:
        hint = "Send the header `Authorization: Bearer ldk_…`; `linguadesk token add` makes a key."
        raise ApiProblem(401, "unauthorised", hint, headers={"WWW-Authenticate": "Bearer"})
    door = door_of(request)
    token = await door.enter(given.credentials)
    for scope in needed.scopes:
        if scope not in token.scopes:
            challenge = f'Bearer error="insufficient_scope", scope="{" ".join(needed.scopes)}"'
            hint = f"This key has no scope {scope}; make one with: linguadesk token add NAME --scope {scope}"
            raise ApiProblem(403, "scope", hint, headers={"WWW-Authenticate": challenge})
    return Caller(door, token, request)


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=MAX_KEY,
        description="Anything unique, such as a UUID. A repeat with the same key within 24 hours does nothing "
        "and is answered with what the first call made.",
    ),
]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=MAX_KEY,
        description="The `ETag` of the ticket as you know it: if it has changed since, nothing is done (412).",
    ),
]


@dataclass(slots=True)
class Doer:
    """One call that makes or says something."""

    caller: Caller
    key: str | None

    @property
    def voice(self) -> Voice:
        """Says things to customers."""
        return self.caller.door.voice

    @property
    def settings(self) -> Settings:
        """All settings."""
        return self.caller.door.config.settings

    def may(self, scope: str) -> bool:
        """Whether the key has a scope."""
        return scope in self.caller.token.scopes

    def url(self, kind: str, number: int) -> str:
        """The address of something in this API."""
        return f"{self.caller.request.scope.get('root_path', '')}/{kind}/{number}"

    async def once(self, work: Callable[[AsyncSession], Awaitable[int]]) -> int:
        """Do something in one transaction, unless this call repeats one that has done it; the id of what was made."""
        request = self.caller.request
        async with self.caller.door.database.begin() as session:
            if self.key is None:
                return await work(session)
            asked = (request.method.encode(), request.url.path.encode(), await request.body())
            made, _ = await api_calls.once(session, self.caller.token.id, self.key, asked, lambda: work(session))
            return made


async def do(caller: Annotated[Caller, Security(enter)], key: IdempotencyKey = None) -> Doer:
    """The dependency of operations that make or say something."""
    return Doer(caller, key)


async def agent_named(session: AsyncSession, username: str, where: str = "body.agent") -> User:
    """The active user of the desk with this name.

    Raises:
        ApiProblem: 422 if there is none.
    """
    found = await session.scalar(select(User).where(User.username == username.strip().casefold()))
    if found is None or not found.active:
        raise field_problem(where, "no active user of the desk has this name; see: linguadesk user add")
    return found


def etag(ticket: Ticket) -> str:
    """A name for the state that a ticket is in; every change of it gives another."""
    return f'"{ticket.id}-{int(ticket.updated_at.timestamp() * 1_000_000)}"'


async def expect(session: AsyncSession, ticket_ids: list[int], known: str | None) -> None:
    """See to it that a ticket, the first of these, is as its caller knows it; all stay locked.

    Raises:
        ApiProblem: 412 if it has changed.
        TicketError: one of them does not exist.
    """
    if known is None:
        return
    held = await agents.hold_tickets(session, ticket_ids)
    now = etag(next(ticket for ticket in held if ticket.id == ticket_ids[0]))
    if known.strip() != "*" and now not in [item.strip().removeprefix("W/") for item in known.split(",")]:
        hint = "The ticket has changed since you read it; read it again and decide anew."
        raise ApiProblem(412, "changed", hint, headers={"ETag": now})
