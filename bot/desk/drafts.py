"""Keeps what is being typed."""

from __future__ import annotations

import re

from starlette.responses import Response

from bot.desk.pages import PageError, Visit
from bot.services import drafts

# Where one can write: a conversation's reply or note, a ticket's note.
PLACE = re.compile(r"/desk/(conversations|tickets)/[1-9][0-9]{0,17}(/note)?")


async def keep(visit: Visit) -> Response:
    """Keep one field's text; empty: forget it."""
    fields = await visit.form()
    place = fields.get("place", "")
    if not PLACE.fullmatch(place):
        raise PageError(400, "bad_request")
    async with visit.desk.database.begin() as session:
        await drafts.keep(session, visit.me.id, place, fields.get("text", "").replace("\r\n", "\n"))
    return Response(status_code=204)
