"""What is promised about a ticket, on its page and in its history."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from bot.services import clocks
from bot.storage import now
from bot.storage.models import ClockKind, Severity, Ticket, TicketClock
from tests.desk.office import Office, token_of

WORDS = {
    "en": ("Promised: First answer", "running", "missed", "in time", "stands still", "The promise was kept"),
    "es": (
        "Plazos prometidos: Primera respuesta",
        "en curso",
        "vencido",
        "a tiempo",
        "en pausa",
        "Se cumplió el plazo",
    ),
    "zh-Hans": ("承诺时限: 首次回复", "计时中", "已逾期", "按时完成", "已暂停", "已在承诺时间内完成"),
}


@pytest.fixture
async def ticket(office: Office) -> Ticket:
    """A ticket with both clocks."""
    talk = await office.writes("Tom", "broken")
    ticket = await office.complains(talk, "It is broken", Severity.HIGH)
    async with office.database.begin() as session:
        await clocks.begin(session, ticket, office.config.settings)
    return ticket


@pytest.mark.parametrize("language", list(WORDS))
async def test_the_page_shows_how_the_clocks_stand(office: Office, ticket: Ticket, language: str) -> None:
    """Running, overdue before anybody has looked, done, standing still: in the reader's language."""
    heading, running, missed, met, paused, kept = WORDS[language]
    async with office.signed_in("ana") as client:
        token = token_of(await client.get("/desk"))
        await client.post("/desk/language", data={"token": token, "language": language})
        page = (await client.get("/desk/tickets/1")).text
        assert heading in page and page.count(f">{running}<") == 2
        async with office.database.begin() as session:
            late = update(TicketClock).where(TicketClock.kind == ClockKind.RESOLUTION)
            await session.execute(late.values(due_at=now() - timedelta(minutes=1)))
        assert f">{missed}<" in (await client.get("/desk/tickets/1")).text
        change = {"token": token_of(await client.get("/desk/tickets/1")), "status": "pending_customer"}
        await client.post("/desk/tickets/1/status", data=change)
        page = (await client.get("/desk/tickets/1")).text
        assert f">{met}<" in page and f">{paused}<" in page and kept in page


async def test_a_ticket_without_a_promise(office: Office) -> None:
    """Nothing is promised, nothing is shown."""
    talk = await office.writes("Tom", "broken")
    await office.complains(talk, "It is broken")
    async with office.signed_in("ana") as client:
        assert "Promised" not in (await client.get("/desk/tickets/1")).text
