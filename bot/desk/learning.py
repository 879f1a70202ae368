"""What the bot should learn: agents' corrections, decided on one by one by a manager."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from bot.desk.pages import NOT_FOUND, PageError, Visit, whole
from bot.services import corrections
from bot.services.corrections import APPROVED, PENDING, REJECTED, CorrectionError, Waiting

RECENT = 20


async def show(visit: Visit) -> Response:
    """The queue, with the one to decide on: that of the address, else the oldest."""
    asked = visit.id() if "id" in visit.request.path_params else None
    return await _page(visit, asked)


async def _page(
    visit: Visit, asked: int | None, status: int = 200, *, failure: str = "", kept: dict[str, str] | None = None
) -> Response:
    async with visit.desk.database.read() as session:
        waiting = await corrections.listed(session, PENDING)
        approved = await corrections.listed(session, APPROVED)
        rejected = await corrections.listed(session, REJECTED, RECENT)
        visit.corrections = await corrections.pending_count(session)
    current = next((item for item in waiting if asked in (None, item.correction.id)), None)
    if asked is not None and current is None and not failure:
        raise PageError(*NOT_FOUND)
    words, settings = visit.words, visit.desk.config.settings
    intents = sorted(visit.desk.intents, key=lambda name: words.label("intent", name).casefold())
    return visit.render(
        "learning.html",
        status,
        current=current,
        proposal=_proposal(visit, current) | (kept or {}) if current is not None else {},
        queue=waiting,
        approved=approved,
        rejected=rejected,
        intents=intents,
        spoken=[(code, words.language_of(code)) for code in settings.languages],
        failure=failure,
        longest=corrections.LONGEST,
        done=visit.request.query_params.get("done", ""),
        last=whole(visit.request.query_params.get("last", "")),
    )


def _proposal(visit: Visit, item: Waiting) -> dict[str, str]:
    """What the form holds at first. A text that a reviewer has edited before stays as it is."""
    row, settings = item.correction, visit.desk.config.settings
    text = corrections.prefilled(row.text, item.parse, settings.shop) if row.text == item.said else row.text
    return {"text": text, "intent": row.intent, "language": row.language or settings.shop.default_language}


async def act(visit: Visit) -> Response:
    """Approve, reject, or decide again."""
    fields, action, number = await visit.form(), str(visit.request.path_params["action"]), visit.id()
    kept = {name: fields.get(name, "") for name in ("text", "intent", "language")}
    if action not in ("approve", "reject", "reopen"):
        raise PageError(*NOT_FOUND)
    known = kept["intent"] in visit.desk.intents and kept["language"] in visit.desk.config.settings.languages
    if action == "approve" and not known:
        raise PageError(400, "bad_request")
    try:
        async with visit.desk.database.begin() as session:
            if action == "reopen":
                await corrections.reopen(session, number)
            else:
                await corrections.decide(session, number, visit.me, approve=action == "approve", **kept)
    except CorrectionError as error:
        failure = str(error)
        asked, status = (None, 409) if failure == "gone" else (number, 400)
        return await _page(visit, asked, status, failure=failure, kept=None if asked is None else kept)
    if action == "reopen":
        return RedirectResponse(f"/desk/learning/{number}", 303)
    return RedirectResponse(f"/desk/learning?done={action}&last={number}", 303)
