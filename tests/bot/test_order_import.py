"""Importing orders from CSV files."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.config import Config
from bot.services.order_import import ImportFailed, import_orders
from bot.storage import Database
from bot.storage.models import Customer, OrderLineRow, OrderRow

HEADER = "order_number,customer_id,name,email,phone,placed_at,sku,description,quantity,unit_price,country,status\n"
REAL = Path(__file__).parents[3] / "shared" / "data" / "online_retail_sample.csv"


def write(folder: Path, *rows: str, header: str = HEADER) -> Path:
    """A CSV file with these rows."""
    path = folder / "orders.csv"
    path.write_text(header + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


async def test_good_rows_are_kept_and_bad_ones_named(any_database: Database, config: Config, tmp_path: Path) -> None:
    """Each bad line is reported with its number and reason; the others are imported."""
    path = write(
        tmp_path,
        "100234,7,Ana,Ana@Example.com,600 123 456,2026-05-01 10:00,A1,Shoes,2,10.50,ES,shipped",
        "100234,7,Ana,ana@example.com,600 123 456,2026-05-01 10:00,A2,Socks,x,3,ES,shipped",
        "100234,7,Ana,ana@example.com,600 123 456,yesterday,A2,Socks,1,3,ES,shipped",
        "100234,8,Bob,bob@example.com,,2026-05-01 10:00,A2,Socks,1,3,ES,shipped",
        ",7,Ana,ana@example.com,,2026-05-01 10:00,A2,Socks,1,3,ES,shipped",
        "100235,7,Ana",
        "100236,7,Ana,ana@example.com,,2026-05-02,A3,Hat,1,20,ES,paid",
    )
    result = await import_orders(any_database, path, config.settings.orders.imports, country="ES")
    assert [(bad.line, bad.reason.split("'")[0].strip()) for bad in result.bad] == [
        (3, "the quantity"),
        (4, "the date"),
        (5, "order 100234 belongs to another customer above"),
        (6, "`order_number` is empty"),
        (7, "there are fewer cells than columns"),
    ]
    assert (result.rows, result.orders_new, result.customers_new) == (7, 2, 1)
    async with any_database.read() as session:
        order = (await session.scalars(select(OrderRow).where(OrderRow.number == "100234"))).one()
        assert (order.total, order.email, order.phone) == (Decimal("21.00"), "ana@example.com", "+34600123456")
        assert order.placed_at.isoformat() == "2026-05-01T10:00:00+00:00"


async def test_a_second_import_changes_nothing(any_database: Database, config: Config, tmp_path: Path) -> None:
    """The same file again: everything unchanged, nothing doubled."""
    path = write(
        tmp_path,
        "100234,7,Ana,a@example.com,,2026-05-01,A1,Shoes,2,10.50,ES,shipped",
        "100234,7,Ana,a@example.com,,2026-05-01,A1,Shoes,2,10.50,ES,shipped",
    )
    mappings = config.settings.orders.imports
    await import_orders(any_database, path, mappings)
    again = await import_orders(any_database, path, mappings)
    assert (again.orders_new, again.orders_changed, again.orders_unchanged, again.customers_new) == (0, 0, 1, 0)
    async with any_database.read() as session:
        assert await session.scalar(select(func.count()).select_from(OrderLineRow)) == 2


async def test_a_changed_order_is_brought_up_to_date(any_database: Database, config: Config, tmp_path: Path) -> None:
    """A later file moves an order on and replaces its lines."""
    mappings = config.settings.orders.imports
    before = write(tmp_path, "100234,7,Ana,a@example.com,,2026-05-01,A1,Shoes,2,10.50,ES,paid")
    await import_orders(any_database, before, mappings)
    after = write(tmp_path, "100234,7,Ana,a@example.com,,2026-05-01,A9,Boots,1,99,ES,shipped")
    result = await import_orders(any_database, after, mappings)
    assert result.orders_changed == 1
    async with any_database.read() as session:
        order = (await session.scalars(select(OrderRow))).one()
        line = (await session.scalars(select(OrderLineRow))).one()
        assert (order.status, order.total, line.description) == ("shipped", Decimal("99.00"), "Boots")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"\xff\xfe\x00binary\x00", "not UTF-8"),
        (b"a,b,c\n1,2,3\n", "no mapping"),
        (b"PK\x03\x04\x00\x00zip", "not a CSV"),
    ],
)
async def test_an_unreadable_file_says_why(
    any_database: Database, config: Config, tmp_path: Path, content: bytes, words: str
) -> None:
    """No stack trace and nothing imported: one message with the reason."""
    path = tmp_path / "orders.csv"
    path.write_bytes(content)
    with pytest.raises(ImportFailed, match=words):
        await import_orders(any_database, path, config.settings.orders.imports)


async def test_a_missing_file_says_so(any_database: Database, config: Config, tmp_path: Path) -> None:
    """The path is in the message."""
    with pytest.raises(ImportFailed, match=r"nowhere\.csv: there is no such file"):
        await import_orders(any_database, tmp_path / "nowhere.csv", config.settings.orders.imports)


@pytest.mark.skipif(not REAL.exists(), reason="the public sample of real orders is not beside the repository")
async def test_real_orders(config: Config, tmp_path: Path) -> None:
    """30,000 lines of a public data set: all read, a second time nothing changes."""
    from bot.storage.migrate import upgrade

    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'real.db'}")
    try:
        await upgrade(database)
        first = await import_orders(database, REAL, config.settings.orders.imports)
        second = await import_orders(database, REAL, config.settings.orders.imports)
    finally:
        await database.close()
    assert (first.rows, first.orders_new, first.bad) == (30_000, 12_392, [])
    assert (second.orders_new, second.orders_changed, second.orders_unchanged) == (0, 0, 12_392)


async def test_customers_without_a_number_are_told_apart(
    any_database: Database, config: Config, tmp_path: Path
) -> None:
    """Two orders without any customer belong to two people, not to one "nobody"."""
    path = write(
        tmp_path,
        "100234,,,,,2026-05-01,A1,Shoes,2,10.50,ES,paid",
        "100235,,,,,2026-05-01,A1,Shoes,2,10.50,ES,paid",
    )
    await import_orders(any_database, path, config.settings.orders.imports)
    async with any_database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Customer)) == 2
