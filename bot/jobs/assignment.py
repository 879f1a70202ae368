"""Hand-overs and tickets pass to others: not claimed in time, somebody away, a team that opens, a call that is due."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot import agents, handovers
from bot.contracts import Reply
from bot.jobs.base import Workshop
from bot.services import assignment, callbacks, handoff, teams, timers
from bot.storage import now, signal
from bot.worker import Job


def assignment_jobs(shop: Workshop) -> dict[str, Job]:
    """What is done for teams and their members when a timer is due."""
    settings, voice = shop.settings, shop.voice

    async def pass_over(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        found = await assignment.awaited(session, payload)
        if found is not None:
            await assignment.pass_over(session, *found, settings)

    async def open_team(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        found = await assignment.awaited(session, payload)
        team = teams.named(settings, found[0].team) if found is not None else None
        if found is None:
            return
        if team is not None:
            await assignment.offer(session, *found, team, settings)
        else:
            # It was taken out of the settings meanwhile.
            await assignment.ask_everyone(session, found[0])
        signal(session, "desk")

    async def wake(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        if await assignment.offer_waiting(session, payload["user"], settings):
            # One conversation at a time, so that no two are locked at once.
            await timers.schedule(session, handoff.WAKE, now(), payload)

    async def release(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        conversation = await assignment.release(session, payload["handoff"], payload["user"], settings)
        if conversation is not None:
            await voice.say(session, conversation, Reply("utter_handoff_returned"))

    async def release_ticket(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        await agents.release_ticket(session, payload["ticket"], payload["user"], settings)

    async def call(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        await handovers.begin_call(session, voice, payload["handoff"], settings)

    return {
        assignment.CLAIM: Job(pass_over),
        assignment.OPENING: Job(open_team),
        handoff.WAKE: Job(wake),
        assignment.RELEASE: Job(release),
        assignment.RELEASE_TICKET: Job(release_ticket),
        callbacks.CALL: Job(call),
    }
