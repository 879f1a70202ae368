"""The queue of hand-overs."""

from __future__ import annotations

from starlette.responses import Response

from bot.desk.pages import Visit, digest, from_htmx
from bot.storage import reports


async def show(visit: Visit) -> Response:
    """Who waits, oldest first; then one's own conversations, then the others'."""
    async with visit.desk.database.read() as session:
        items = await reports.queue(session)
        version = await reports.queue_version(session)
    me = visit.me.id
    groups = [
        ("waiting", [item for item in items if item.agent_id is None]),
        ("mine", [item for item in items if item.agent_id == me]),
        ("others", [item for item in items if item.agent_id not in (None, me)]),
    ]
    visit.waiting = len(groups[0][1])
    template = "_queue.html" if from_htmx(visit.request) else "queue.html"
    return visit.render(
        template, groups=groups, counts={name: len(rows) for name, rows in groups}, seen=digest(version)
    )


async def count(visit: Visit) -> Response:
    """The number beside "Queue" in the navigation."""
    return visit.render("_waiting.html")
