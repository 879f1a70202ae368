"""What is done when a timer is due: surveys leave, hand-overs time out, tickets close, files are fetched."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from bot.jobs.base import Workshop
from bot.jobs.files import file_jobs, store_file
from bot.jobs.handoffs import handoff_jobs
from bot.jobs.surveys import rating_buttons, survey_jobs
from bot.jobs.tickets import ticket_jobs
from bot.services import privacy
from bot.worker import Job

Area: TypeAlias = Callable[[Workshop], dict[str, Job]]
AREAS: tuple[Area, ...] = (survey_jobs, handoff_jobs, ticket_jobs, file_jobs)


def handlers(shop: Workshop) -> dict[str, Job]:
    """The handler of each kind of timer."""
    jobs = {privacy.SWEEP: Job(privacy.sweep)}
    for area in AREAS:
        jobs |= area(shop)
    return jobs


__all__ = ["Workshop", "handlers", "rating_buttons", "store_file"]
