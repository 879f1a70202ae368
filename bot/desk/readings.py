"""Correcting what the bot understood, or confirming it: a small menu under each customer's message."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from bot.desk.pages import NOT_FOUND, PageError, Visit, from_htmx
from bot.services import corrections
from bot.services.corrections import CorrectionError
from bot.storage import talk_reports
from bot.storage.models import Message

BEST = 5


async def _message(visit: Visit) -> Message:
    async with visit.desk.database.read() as session:
        found = await talk_reports.message_of(session, visit.id(), visit.id("message"))
    if found is None or found.parse is None:
        raise PageError(*NOT_FOUND)
    return found


def _choices(visit: Visit, message: Message) -> tuple[list[str], list[str]]:
    """The most likely readings besides the one that was taken, and all the others by their names."""
    parse = message.parse or {}
    taken = (parse.get("intent") or {}).get("name") or ""
    ranked = [str(item.get("name") or "") for item in parse.get("intent_ranking") or ()]
    known = set(visit.desk.intents)
    best = [name for name in dict.fromkeys(ranked) if name in known and name != taken][:BEST]
    others = sorted(known - {taken, *best}, key=lambda name: visit.words.label("intent", name).casefold())
    return best, others


def _sure(visit: Visit) -> float:
    """From which confidence on a reading needs nobody to say that it was right."""
    return visit.desk.config.settings.recognizer.sure


def _menu(visit: Visit, message: Message, status: int = 200, *, failed: bool = False) -> Response:
    best, others = _choices(visit, message)
    taken = (message.parse or {}).get("intent") or {}
    unsure = taken.get("name") in visit.desk.intents and float(taken.get("confidence") or 0) < _sure(visit)
    template = "_fix.html" if from_htmx(visit.request) else "fix.html"
    shown = {
        "right": taken["name"] if unsure else "",
        "message": message,
        "best": best,
        "others": others,
        "failed": failed,
    }
    shown["conversation"] = visit.id()
    # The script takes only good answers; the words of a refusal stand in the menu itself.
    return visit.render(template, 200 if from_htmx(visit.request) else status, **shown)


async def menu(visit: Visit) -> Response:
    """What the message could have meant."""
    return _menu(visit, await _message(visit))


async def correct(visit: Visit) -> Response:
    """Send what it meant to those who decide what the bot learns."""
    fields = await visit.form()
    message = await _message(visit)
    intent = fields.get("intent", "")
    if intent not in visit.desk.intents:
        raise PageError(400, "bad_request")
    try:
        async with visit.desk.database.begin() as session:
            await corrections.suggest(session, message.id, intent, visit.me, sure=_sure(visit))
    except CorrectionError:
        return _menu(visit, message, 409, failed=True)
    if from_htmx(visit.request):
        return visit.render("_fixed.html", intent=intent)
    return RedirectResponse(f"/desk/conversations/{visit.id()}?at={message.id}#m{message.id}", 303)
