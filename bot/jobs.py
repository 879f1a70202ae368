"""What is done when a timer is due: surveys leave, hand-overs time out, tickets close, files are fetched."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot import agents
from bot.config import Config
from bot.contracts import Attachment, Author, Button, Connector, Owner, PermanentError, Reply, TemporaryError
from bot.engine import FETCH_FILE
from bot.outbox import Voice
from bot.services import handoff, privacy, rooms, surveys, ticket_life, timers
from bot.state import State, Task
from bot.storage import Database, now, signal
from bot.storage.models import (
    Conversation,
    FileStatus,
    Handoff,
    Message,
    StoredFile,
    Survey,
    SurveyStatus,
    Timer,
)
from bot.worker import Job

MAX_FILE_BYTES = 25 * 1024 * 1024


def store_file(files_dir: Path, name: str, data: bytes) -> str:
    """Keep the bytes of an attachment under an unguessable name; its path below ``files_dir``."""
    suffix = "".join(char for char in Path(name).suffix.lower() if char.isalnum() or char == ".")[:10]
    path = Path("attachments") / f"{secrets.token_urlsafe(18)}{suffix}"
    target = files_dir / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return path.as_posix()


def rating_buttons(survey_id: int) -> tuple[Button, ...]:
    """The digits 1 to 5: neutral labels, each bound to its survey."""
    return tuple(
        Button(str(score), f'/inform{{"rating": "{score}", "survey": "{survey_id}"}}') for score in range(1, 6)
    )


def handlers(database: Database, voice: Voice, connectors: Mapping[str, Connector], config: Config) -> dict[str, Job]:
    """The handler of each kind of timer."""
    settings = config.settings

    async def send_survey(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        survey = await session.get_one(Survey, payload["survey"])
        conversation = await session.get_one(Conversation, survey.conversation_id, with_for_update=True)
        if survey.status is not SurveyStatus.SCHEDULED:
            return
        if (
            conversation.owner is not Owner.BOT
            or conversation.surveys_stopped_at is not None
            or conversation.unreachable_at is not None
        ):
            survey.status = SurveyStatus.CANCELLED
            return
        buttons = rating_buttons(survey.id)
        question = Reply("utter_survey_csat", buttons=buttons)
        (asked,) = await voice.say(session, conversation, question, author=Author.SURVEY)
        language = voice.language(conversation)
        await surveys.mark_sent(session, survey, conversation, language, settings.surveys, asked)
        state = State.from_json(conversation.state).interrupted()
        choices = tuple((str(button.title), button.payload) for button in buttons)
        task = state.task or Task("answer_survey", {"survey": str(survey.id)}, asking="rating")
        conversation.state = replace(state, task=task, buttons=choices).to_json()

    async def expire_survey(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        survey = await session.get_one(Survey, payload["survey"])
        if survey.status is SurveyStatus.SENT:
            survey.status = SurveyStatus.EXPIRED

    async def time_out(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        row = await session.get_one(Handoff, payload["handoff"])
        conversation = await session.get_one(Conversation, row.conversation_id, with_for_update=True)
        # An agent may have claimed or ended it while the lock was waited for.
        await session.refresh(row)
        if row.ended_at is not None:
            return
        if row.claimed_at is not None:
            # The agent's own time counts from their last words.
            wrote = await session.scalar(
                select(func.max(Message.created_at)).where(
                    Message.conversation_id == conversation.id, Message.author == Author.AGENT
                )
            )
            due = max(row.claimed_at, wrote or row.claimed_at) + timedelta(minutes=settings.handoff.timeout_minutes)
            if due > now():
                key = f"{handoff.TIMEOUT}:{row.id}:{int(due.timestamp())}"
                await timers.schedule(session, handoff.TIMEOUT, due, payload, key=key)
                return
        if await handoff.end(session, conversation, "timeout"):
            await voice.say(session, conversation, Reply("utter_handoff_timeout"))

    async def remind(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        row = await session.get_one(Handoff, payload["handoff"])
        if row.claimed_at is None and row.ended_at is None:
            since = {"since": row.started_at.isoformat()}
            await rooms.tell(session, row.conversation_id, "room.reminder", since, alert=True)
            await handoff.remind(session, row, payload["minutes"] * 2)

    async def close_ticket(session: AsyncSession, payload: dict[str, Any], _: Any) -> None:
        quiet = payload.get("quiet", False)
        await agents.close_ticket(session, voice, payload["ticket"], settings.tickets, quiet=quiet)

    async def download(payload: dict[str, Any]) -> bytes | None:
        async with database.read() as session:
            row = await session.get(StoredFile, payload["file"])
            conversation = await session.get_one(Conversation, row.conversation_id) if row else None
        if row is None or conversation is None or row.status is not FileStatus.REMOTE:
            return None
        connector = connectors.get(conversation.channel)
        if connector is None:
            raise TemporaryError(f"the channel {conversation.channel} is off, so its file cannot be fetched")
        try:
            data = await connector.fetch(Attachment(row.kind, row.ref, row.name, row.mime, row.size))
        except PermanentError:
            return None
        return data if len(data) <= MAX_FILE_BYTES else None

    async def keep_file(session: AsyncSession, payload: dict[str, Any], data: bytes | None) -> None:
        # Locked: an erasure may be at it.
        row = await session.get_one(StoredFile, payload["file"], with_for_update=True)
        if row.status is not FileStatus.REMOTE:
            return
        if data is None:
            row.status = FileStatus.FAILED
        else:
            row.path, row.size, row.status = store_file(config.files_dir, row.name, data), len(data), FileStatus.STORED
        signal(session, "desk")

    async def lose_file(session: AsyncSession, payload: dict[str, Any]) -> None:
        await keep_file(session, payload, None)

    # Files of a channel that is off here are left to the process that has it.
    elsewhere = (
        select(StoredFile.id)
        .join(Conversation, Conversation.id == StoredFile.conversation_id)
        .where(StoredFile.id == Timer.payload["file"].as_integer(), Conversation.channel.not_in(list(connectors)))
    )

    return {
        surveys.SEND: Job(send_survey),
        surveys.EXPIRE: Job(expire_survey),
        handoff.TIMEOUT: Job(time_out),
        handoff.REMIND: Job(remind),
        ticket_life.CLOSE: Job(close_ticket),
        FETCH_FILE: Job(keep_file, prepare=download, give_up=lose_file, mine=~elsewhere.exists()),
        privacy.SWEEP: Job(privacy.sweep),
    }
