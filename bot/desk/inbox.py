"""The queue of hand-overs: one's own, one's teams', everyone's."""

from __future__ import annotations

from starlette.responses import Response

from bot.desk.pages import Visit, digest, from_htmx
from bot.storage import reports
from bot.storage.reports import QueueItem

MINE, TEAM, ALL = "mine", "team", "all"
VIEWS = (MINE, TEAM, ALL)
# So many of a group are shown; the others are counted, and in the list of conversations.
SHOWN = 100


async def show(visit: Visit) -> Response:
    """Who waits, oldest first; then one's own conversations, then the others'. ``view`` says whose."""
    asked = visit.request.query_params.get("view", "")
    view = asked if asked in VIEWS else ALL
    teams = visit.teams()
    async with visit.desk.database.read() as session:
        items = await reports.queue(
            session,
            user_id=visit.me.id if view == MINE else None,
            # What is with no team is everyone's.
            teams=[*teams, ""] if view == TEAM else (),
        )
        version = await reports.queue_version(session)
        visit.waiting = await reports.waiting_count(session)
    groups = _groups(items, visit.me.id)
    template = "_queue.html" if from_htmx(visit.request) else "queue.html"
    return visit.render(
        template,
        groups=[(name, rows[:SHOWN]) for name, rows in groups],
        counts={name: len(rows) for name, rows in groups},
        seen=digest(version),
        view=view,
        views=VIEWS,
        teams=teams,
    )


def _groups(items: list[QueueItem], me: int) -> list[tuple[str, list[QueueItem]]]:
    waiting = [item for item in items if item.agent_id is None]
    # Whose turn it is sees it first.
    waiting.sort(key=lambda item: item.offered_to_id != me)
    return [
        ("waiting", waiting),
        ("mine", [item for item in items if item.agent_id == me]),
        ("others", [item for item in items if item.agent_id not in (None, me)]),
    ]


async def count(visit: Visit) -> Response:
    """The number beside "Queue" in the navigation."""
    return visit.render("_waiting.html")
