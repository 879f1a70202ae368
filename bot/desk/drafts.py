"""Keeps what is being typed."""

from __future__ import annotations

import re

from starlette.responses import PlainTextResponse, Response

from bot.desk.pages import PageError, Visit
from bot.services import drafts
from bot.services.drafts import Fate

# Where one can write: a conversation's reply or note, a ticket's note.
PLACE = re.compile(r"/desk/(conversations|tickets)/[1-9][0-9]{0,17}(/note)?")


async def keep(visit: Visit) -> Response:
    """Keep one field's text; empty: forget it. Of what was sent meanwhile nothing is kept, and the answer says so."""
    fields = await visit.form()
    place = fields.get("place", "")
    if not PLACE.fullmatch(place):
        raise PageError(400, "bad_request")
    async with visit.desk.database.begin() as session:
        text = fields.get("text", "").replace("\r\n", "\n")
        fate = await drafts.keep(session, visit.me.id, place, text, fields.get("piece", ""))
    return Response(status_code=204) if fate is Fate.KEPT else PlainTextResponse(fate.value)
