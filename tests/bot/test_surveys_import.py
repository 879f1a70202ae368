"""When an order arrived becomes known by a file, which is what a survey about the delivery waits for."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from bot.config import Config
from bot.services.order_import import import_orders
from bot.storage import Database
from bot.storage.models import OrderRow

HEAD = "order_number,customer_id,placed_at,sku,description,quantity,unit_price,email"
ROW = "100234,7,2026-05-01 10:00,A1,Running shoes,1,89.90,ana@example.com"


async def test_arrival_is_read_and_kept(any_database: Database, config: Config, tmp_path: Path) -> None:
    """A later file brings the time of arrival, one without it does not undo it, a bad one is named by its line."""
    path, mappings = tmp_path / "orders.csv", config.settings.orders.imports

    async def reads(*lines: str) -> tuple[datetime | None, list[int]]:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        result = await import_orders(any_database, path, mappings)
        async with any_database.read() as session:
            found = (await session.scalars(select(OrderRow.delivered_at))).one()
        return found, [bad.line for bad in result.bad]

    arrived = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
    assert await reads(HEAD, ROW) == (None, [])
    assert await reads(f"{HEAD},delivered_at", f"{ROW},2026-05-04 12:30") == (arrived, [])
    assert await reads(HEAD, ROW) == (arrived, [])
    assert await reads(f"{HEAD},delivered_at", f"{ROW},") == (arrived, [])
    assert await reads(f"{HEAD},delivered_at", f"{ROW},last week") == (arrived, [2])
