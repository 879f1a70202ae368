"""Who else has a conversation open, and whether they are writing."""

from __future__ import annotations

from starlette.responses import Response

from bot.desk.pages import NOT_FOUND, PageError, Visit, digest
from bot.services import presence
from bot.storage import talk_reports


def version(lookers: list[talk_reports.Looker]) -> str:
    """A short text that changes with what :func:`people` would show."""
    return digest(repr(lookers))


async def people(visit: Visit) -> Response:
    """The line that names them."""
    async with visit.desk.database.read() as session:
        lookers = await talk_reports.lookers(session, visit.id(), visit.me.id)
    return visit.render("_people.html", lookers=lookers)


async def tell(visit: Visit) -> Response:
    """A page says that its reader begins or stops writing, or leaves."""
    fields = await visit.form()
    where, me = visit.id(), visit.me.id
    async with visit.desk.database.begin() as session:
        if fields.get("leaving"):
            await presence.leave(session, where, me)
        elif not await presence.touch(session, where, me, fields.get("writing") == "1"):
            raise PageError(*NOT_FOUND)
    return Response(status_code=204)
