"""What is done when a timer is due: surveys leave, hand-overs time out and pass on, tickets close, files come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings
from bot.jobs.assignment import assignment_jobs
from bot.jobs.bands import band_jobs, begin_bands
from bot.jobs.base import Workshop
from bot.jobs.clocks import clock_jobs
from bot.jobs.digests import begin_digests, digest_jobs
from bot.jobs.figures import FigureKeeper
from bot.jobs.files import file_jobs, store_file
from bot.jobs.followups import followup_jobs
from bot.jobs.handoffs import handoff_jobs
from bot.jobs.retention import begin_retention, retention_jobs
from bot.jobs.surveys import begin_rounds, survey_jobs
from bot.jobs.tickets import ticket_jobs
from bot.jobs.topics import begin_topics, topic_jobs
from bot.jobs.translation import TranslationPlanner, translation_jobs
from bot.services import privacy
from bot.storage import Database
from bot.worker import Job

Area: TypeAlias = Callable[[Workshop], dict[str, Job]]
AREAS: tuple[Area, ...] = (
    survey_jobs,
    handoff_jobs,
    assignment_jobs,
    ticket_jobs,
    clock_jobs,
    file_jobs,
    translation_jobs,
    topic_jobs,
    followup_jobs,
    digest_jobs,
    band_jobs,
    retention_jobs,
)


# What goes on by itself for ever, and must have been begun once.
STARTS: tuple[Callable[[AsyncSession, Settings], Awaitable[None]], ...] = (
    begin_rounds,
    begin_topics,
    begin_digests,
    begin_bands,
    begin_retention,
)


async def begin(database: Database, settings: Settings) -> None:
    """Begin what goes on by itself; nothing changes where that was done before."""
    async with database.begin() as session:
        for start in STARTS:
            await start(session, settings)


def handlers(shop: Workshop) -> dict[str, Job]:
    """The handler of each kind of timer."""
    jobs = {privacy.SWEEP: Job(privacy.sweep)}
    for area in AREAS:
        jobs |= area(shop)
    return jobs


def lanes(jobs: Mapping[str, Job]) -> list[dict[str, Job]]:
    """The jobs by lane: each lane is for a :class:`bot.worker.TimerWorker` of its own."""
    found: dict[str, dict[str, Job]] = {}
    for kind, job in jobs.items():
        found.setdefault(job.lane, {})[kind] = job
    return list(found.values())


__all__ = ["FigureKeeper", "TranslationPlanner", "Workshop", "begin", "handlers", "lanes", "store_file"]
