"""One conversation: its live page, and what an agent does in it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot import agents
from bot.contracts import Media, PermanentError, TemporaryError
from bot.desk import timeline, uploads
from bot.desk.pages import NOT_FOUND, PageError, Visit, from_htmx, whole
from bot.services import drafts, notes, translations
from bot.services.drafts import Writing
from bot.services.handoff import HandoffError
from bot.storage import reports, talk_reports
from bot.translation import ForReply, for_reply

ACTIONS = frozenset({"claim", "take-over", "reply", "note", "resolve", "back", "pass-on", "transcript"})


class Answered(HandoffError):
    """A colleague has written to the customer since the agent's page was drawn."""

    def __init__(self, name: str) -> None:
        super().__init__("answered")
        self.name = name


@dataclass(frozen=True, slots=True)
class Sending:
    """What a form of the page brings."""

    fields: Mapping[str, str]
    upload: uploads.Upload | None = None

    @property
    def text(self) -> str:
        """What was written."""
        return self.fields.get("text", "").replace("\r\n", "\n")

    @property
    def piece(self) -> str:
        """The page's name for what was written, see :mod:`bot.services.drafts`."""
        return self.fields.get("piece", "")

    @property
    def content(self) -> str:
        """What is sent, by which a repeat is known."""
        upload = self.upload
        return drafts.content_of(self.text, *((upload.name.encode(), upload.data) if upload else ()))

    @property
    def seen(self) -> int | None:
        """The newest message when the form was drawn; None if it does not say."""
        return whole(self.fields.get("seen", ""))


async def _page(
    visit: Visit,
    status: int = 200,
    *,
    failure: str = "",
    by: str = "",
    typed: Mapping[str, Writing] | None = None,
    acted: bool = False,
) -> Response:
    """The page, or its live part where the page's script asks for it.

    ``typed`` is what stood in the fields when ``failure`` came, ``by`` whom it came from; ``acted`` is
    set after a form was sent.
    """
    async with visit.desk.database.read() as session:
        context = await timeline.context(visit, session, typed or {})
        visit.waiting = await reports.waiting_count(session)
    context |= {"failure": failure, "by": by, "acted": acted or bool(failure)}
    context["live"] = from_htmx(visit.request)
    if context["live"]:
        # The script takes only good answers; the words of a failure stand in the part itself.
        return visit.render("_conversation.html", **context)
    if context["span"].everything:
        # It takes long enough for others to notice if they had to wait for it.
        return await asyncio.to_thread(visit.render, "conversation.html", status, **context)
    return visit.render("conversation.html", status, **context)


async def show(visit: Visit) -> Response:
    """One conversation; for the page's script also what came before what it shows."""
    if from_htmx(visit.request) and "before" in visit.request.query_params:
        async with visit.desk.database.read() as session:
            context = await timeline.earlier(visit, session)
        return visit.render("_messages.html", **context)
    return await _page(visit)


async def _worded(visit: Visit, sending: Sending) -> ForReply:
    """The reply in the customer's language, if the form asks for it.

    Raises:
        HandoffError: ``translator_down``, ``too_long``, ``unknown`` conversation.
    """
    translator = visit.desk.translator
    if translator is None or sending.fields.get("translate") != "1":
        return ForReply(sending.text)
    async with visit.desk.database.read() as session:
        view = await talk_reports.conversation(session, visit.id())
    if view is None:
        raise HandoffError("unknown")
    if len(sending.text) > agents.MAX_REPLY:
        # A translator cuts what is too long; an agent is told.
        raise HandoffError("too_long")
    try:
        language = visit.desk.voice.language(view.conversation)
        return await for_reply(translator, sending.text, translations.own_language(visit.me), language)
    except (TemporaryError, PermanentError):
        raise HandoffError("translator_down") from None


async def _reply(visit: Visit, session: AsyncSession, sending: Sending, worded: ForReply, media: list[Media]) -> bool:
    """Send it; whether it was not sent already by the same form, whose answer was lost."""
    where, me = visit.id(), visit.me
    if not await drafts.begin(session, me.id, sending.piece, sending.content):
        return False
    await agents.reply(
        session,
        visit.desk.voice,
        where,
        me,
        worded.text,
        media,
        settings=visit.desk.config.settings,
        original=worded.original,
        original_language=worded.original_language,
        engine=worded.engine,
    )
    # Looked up now that nobody else can write here; if somebody has, nothing of this is kept.
    if sending.seen is not None and (name := await talk_reports.answered_since(session, where, sending.seen, me.id)):
        raise Answered(name)
    await drafts.drop(session, me.id, drafts.places(where)[0], sending.piece)
    return True


async def _pass_on(visit: Visit, session: AsyncSession, to: str) -> None:
    """To a team or a colleague, as the field names them: ``team:…`` or ``user:…``."""
    kind, _, value = to.partition(":")
    team = value if kind == "team" else ""
    user = await reports.user_by_id(session, whole(value) or 0) if kind == "user" else None
    settings = visit.desk.config.settings
    await agents.pass_on(session, visit.desk.voice, visit.id(), visit.me, settings, team=team, to=user)


async def _do(visit: Visit, session: AsyncSession, action: str, sending: Sending) -> None:
    desk, agent, where = visit.desk, visit.me, visit.id()
    settings = desk.config.settings
    if action == "claim":
        await agents.claim(session, where, agent)
    elif action == "take-over":
        await agents.take_over(session, where, agent, settings.handoff)
    elif action == "note":
        if await drafts.begin(session, agent.id, sending.piece, sending.content):
            await notes.add(session, where, agent, sending.text)
            await drafts.drop(session, agent.id, drafts.places(where)[1], sending.piece)
    elif action == "transcript":
        await agents.send_transcript(session, desk.voice, desk.config.files_dir, where, agent)
    elif action == "pass-on":
        await _pass_on(visit, session, sending.fields.get("to", ""))
    elif action == "resolve":
        await agents.resolve(session, desk.voice, where, agent, settings.surveys)
    else:
        await agents.back_to_bot(session, desk.voice, where, agent)


def _typed(visit: Visit, action: str, sending: Sending) -> dict[str, Writing]:
    """What was in the field that was sent, by its place."""
    reply, note = drafts.places(visit.id())
    writing = Writing(sending.text, sending.piece) if sending.piece else Writing(sending.text)
    return {reply: writing} if action == "reply" else {note: writing} if action == "note" else {}


async def act(visit: Visit) -> Response:
    """Claim, take over, reply, note, resolve, give back. What fails is said in words and the draft kept."""
    action = visit.request.path_params["action"]
    if action not in ACTIONS:
        raise PageError(*NOT_FOUND)
    try:
        sending = Sending(*await uploads.read(visit))
    except uploads.UploadError as error:
        return await _page(visit, 413, failure=str(error))
    media = [sending.upload.store(visit)] if sending.upload is not None and action == "reply" else []
    try:
        # Before the transaction: a translator takes its time.
        worded = await _worded(visit, sending) if action == "reply" else None
        async with visit.desk.database.begin() as session:
            if worded is not None:
                if not await _reply(visit, session, sending, worded, media):
                    uploads.discard(visit, media)
            else:
                await _do(visit, session, action, sending)
    except BaseException as error:
        uploads.discard(visit, media)
        if not isinstance(error, HandoffError):
            raise
        if str(error) == "unknown":
            raise PageError(*NOT_FOUND) from None
        by = error.name if isinstance(error, Answered) else ""
        return await _page(visit, 409, failure=str(error), by=by, typed=_typed(visit, action, sending))
    if not from_htmx(visit.request):
        compose = "?compose=note" if action == "note" else ""
        return RedirectResponse(f"/desk/conversations/{visit.id()}{compose}", 303)
    response = await _page(visit, acted=True)
    # After the swap: the form may have been replaced meanwhile by what came live, and an event that it gets then
    # reaches nobody.
    response.headers["HX-Trigger-After-Swap"] = {"reply": "desk-sent", "note": "desk-noted"}.get(action, "desk-done")
    return response


async def onward(visit: Visit) -> Response:
    """The next conversation of one's queue after ``after``; the queue where there is none."""
    after = whole(visit.request.query_params.get("after", ""))
    async with visit.desk.database.read() as session:
        mine = await talk_reports.my_queue(session, visit.me.id, visit.teams())
    at = mine.index(after) if after in mine else -1
    following = mine[at + 1 :] + mine[: max(at, 0)]
    return RedirectResponse(f"/desk/conversations/{following[0]}" if following else "/desk", 303)
