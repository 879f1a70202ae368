"""What customers say in the chat is what managers see counted."""

from __future__ import annotations

from datetime import timedelta

from bot.app import App
from bot.services import figures as keeping
from bot.storage import figures, now
from tests.customer import Customer


async def test_what_was_not_understood_is_counted_as_such(desk: App, customer: Customer) -> None:
    """A wish, a no and nonsense: three messages were read, one of them in vain; the wish is the subject."""
    await customer.says("Where is my order?")
    await customer.says("never mind")
    await customer.says("blorf glimmer wug zanzibar fnord")
    await keeping.catch_up(desk.database, desk.config.settings)
    f = figures.Filters(now() - timedelta(days=1), now() + timedelta(days=1))
    async with desk.database.read() as session:
        rows = await figures.understanding(session, f)
        contained = await figures.containment(session, f)
        page = await figures.drill(session, "volume", f)
    assert sum(row.messages for row in rows) == 3
    assert sum(row.fallbacks for row in rows) == 1
    assert contained.undecided == 1 and contained.aside == 0
    assert [item.detail["subject"] for item in page.items] == ["track_order"]
