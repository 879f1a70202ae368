"""Survey results, for managers."""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import Response

from bot.desk.pages import Visit
from bot.services import surveys
from bot.storage import now, reports

PERIODS = ("7", "30", "90", "all")
DEFAULT_PERIOD = "30"
# Below this a part's figure says more about single people than about the service.
MIN_CELL = 5


async def show(visit: Visit) -> Response:
    """CSAT of a period with everything one needs to judge it."""
    asked = visit.request.query_params.get("days", DEFAULT_PERIOD)
    period = asked if asked in PERIODS else DEFAULT_PERIOD
    since = None if period == "all" else now() - timedelta(days=int(period))
    async with visit.desk.database.read() as session:
        overall = await surveys.csat(session, since)
        channels, languages = await reports.survey_groups(session, since)
        by_channel = [(name, await surveys.csat(session, since, channel=name)) for name in channels if name]
        by_language = [(code, await surveys.csat(session, since, language=code)) for code in languages if code]
        comments = await reports.survey_comments(session, since)
    return visit.render(
        "surveys.html",
        period=period,
        periods=PERIODS,
        overall=overall,
        parts=[("channel", by_channel), ("language", by_language)],
        comments=comments,
        min_cell=MIN_CELL,
    )
