"""Conversations: the list, the live transcript, and what an agent does in it."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot import agents
from bot.contracts import Owner
from bot.desk.files import is_image
from bot.desk.pages import NOT_FOUND, PageError, Visit, digest, from_htmx
from bot.desk.tickets import chosen
from bot.services.customers import is_verified
from bot.services.handoff import HandoffError
from bot.services.orders import DatabaseOrders
from bot.storage import reports

SHOWN = 100
MOST_SHOWN = 2000
# What the composer and the buttons go by; also what data-state in the page says.
BOT, WAITING, MINE, TAKEN = "bot", "waiting", "mine", "taken"


async def listing(visit: Visit) -> Response:
    """All conversations, latest first."""
    query = visit.request.query_params
    owner = chosen(Owner, query.get("owner", ""))
    channel = query.get("channel", "")[:32]
    async with visit.desk.database.read() as session:
        known = await reports.channels(session)
        channel = channel if channel in known else ""
        page = await reports.conversations(session, owner=owner, channel=channel, page=visit.page_number())
    kept = {name: value for name, value in (("owner", owner.value if owner else ""), ("channel", channel)) if value}
    return visit.render(
        "conversations.html", page=page, owners=list(Owner), owner=owner, channels=known, channel=channel, kept=kept
    )


def _shown(visit: Visit) -> int:
    asked = visit.request.query_params.get("show", "")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else SHOWN
    return min(max(number, SHOWN), MOST_SHOWN)


def _state(view: reports.ConversationView, me: int) -> str:
    """Which actions the conversation allows this agent."""
    if view.handoff is None:
        return BOT
    if view.handoff.agent_id is None:
        return WAITING
    return MINE if view.handoff.agent_id == me else TAKEN


async def _context(visit: Visit, session: AsyncSession) -> dict[str, Any]:
    view = await reports.conversation(session, visit.id())
    if view is None:
        raise PageError(*NOT_FOUND)
    shown = _shown(visit)
    messages, more = await reports.transcript(session, visit.id(), shown)
    talk = view.conversation
    orders = []
    if talk.customer_id is not None:
        backend = DatabaseOrders(session, visit.desk.config.settings.orders)
        orders = list(await backend.of_customer(talk.customer_id, 5))
    return {
        "view": view,
        "talk": talk,
        "state": _state(view, visit.me.id),
        "messages": messages,
        "more": more and shown < MOST_SHOWN,
        "shown": shown,
        "next_shown": min(shown * 5, MOST_SHOWN),
        "verified": is_verified(talk),
        "orders": orders,
        "tickets": await reports.tickets_around(session, talk),
        "is_image": is_image,
        "max_reply": agents.MAX_REPLY,
        "seen": digest(await reports.conversation_version(session, talk.id)),
        "queue_seen": digest(await reports.queue_version(session)),
    }


async def _page(
    visit: Visit, status: int = 200, *, failure: str = "", draft: str = "", acted: bool = False
) -> Response:
    """The page, or its live part where the page's script asks for it."""
    async with visit.desk.database.read() as session:
        context = await _context(visit, session)
        visit.waiting = await reports.waiting_count(session)
    if from_htmx(visit.request):
        # The script takes only good answers; the words of a failure stand in the part itself.
        return visit.render("_conversation.html", failure=failure, draft=draft, acted=acted, **context)
    return visit.render("conversation.html", status, failure=failure, draft=draft, acted=acted, **context)


async def show(visit: Visit) -> Response:
    """One conversation."""
    return await _page(visit)


async def _do(visit: Visit, session: AsyncSession, action: str, text: str) -> None:
    desk, agent, where = visit.desk, visit.me, visit.id()
    settings = desk.config.settings
    if action == "claim":
        await agents.claim(session, where, agent)
    elif action == "take-over":
        await agents.take_over(session, where, agent, settings.handoff)
    elif action == "reply":
        await agents.reply(session, desk.voice, where, agent, text)
    elif action == "resolve":
        await agents.resolve(session, desk.voice, where, agent, settings.surveys)
    else:
        await agents.back_to_bot(session, desk.voice, where, agent)


async def act(visit: Visit) -> Response:
    """Claim, take over, reply, resolve, give back. What fails is said in words and the draft kept."""
    action = visit.request.path_params["action"]
    if action not in ("claim", "take-over", "reply", "resolve", "back"):
        raise PageError(*NOT_FOUND)
    fields = await visit.form()
    draft = fields.get("text", "").replace("\r\n", "\n")
    try:
        async with visit.desk.database.begin() as session:
            await _do(visit, session, action, draft)
    except HandoffError as error:
        reason = str(error)
        if reason == "unknown":
            raise PageError(*NOT_FOUND) from None
        return await _page(visit, 409, failure=reason, draft=draft)
    if not from_htmx(visit.request):
        return RedirectResponse(f"/desk/conversations/{visit.id()}", 303)
    response = await _page(visit, acted=True)
    response.headers["HX-Trigger"] = "desk-sent" if action == "reply" else "desk-done"
    return response
