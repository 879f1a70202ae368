"""Reading orders from a CSV file.

A file has one line a position; lines with the same order number are one order. What cannot be read
is reported with its line number and left out; the rest is kept. Importing the same file again
changes nothing, and does not bring back a customer who was erased at their own request: their
orders are kept without name and contact.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import ImportMapping
from bot.contracts import LinguadeskError
from bot.services.customers import normal_email, normal_phone
from bot.services.orders import number_key
from bot.services.privacy import erased_reference
from bot.storage import Database, clean
from bot.storage.models import Customer, OrderLineRow, OrderRow

COLUMN = re.compile(r"\{([^{}]+)\}")
DATE_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%d/%m/%Y %H:%M", "%d.%m.%Y %H:%M")
BATCH = 500
MAX_REPORTED = 1000
# Fields that may be the same fixed words for the whole file.
FIXABLE = ("currency", "status", "country")
REQUIRED = ("order_number", "customer", "placed_at", "sku", "description", "quantity", "unit_price", "currency")


class ImportFailed(LinguadeskError):
    """The file as a whole cannot be read; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line that was left out; ``line`` is 1-based and counts the header."""

    line: int
    reason: str


@dataclass(slots=True)
class Imported:
    """What an import did."""

    rows: int = 0
    orders_new: int = 0
    orders_changed: int = 0
    orders_unchanged: int = 0
    customers_new: int = 0
    bad: list[BadRow] = field(default_factory=list)


@dataclass(slots=True)
class _Line:
    sku: str
    description: str
    quantity: int
    unit_price: Decimal


@dataclass(slots=True)
class _Order:
    number: str
    customer: str
    placed_at: datetime
    currency: str
    fields: dict[str, str]
    lines: list[_Line] = field(default_factory=list)

    @property
    def total(self) -> Decimal:
        return sum((line.quantity * line.unit_price for line in self.lines), Decimal(0))


def _reader(name: str, pattern: str | None, columns: set[str]) -> Callable[[dict[str, str]], str]:
    """How a field is read from a row: a column, a pattern with columns in braces, or fixed words."""
    if pattern is None:
        return lambda row: ""
    if pattern in columns:
        return lambda row: _tidy(row[pattern])
    if not COLUMN.search(pattern):
        fixed = pattern if name in FIXABLE else ""
        return lambda row: fixed

    def fill(row: dict[str, str]) -> str:
        values = [_tidy(row[name]) for name in COLUMN.findall(pattern)]
        return COLUMN.sub(lambda match: _tidy(row[match.group(1)]), pattern) if all(values) else ""

    return fill


def _tidy(value: str | None) -> str:
    """A cell without stray blanks; ``12923.0``, a spreadsheet's idea of a number, is ``12923``."""
    text = clean(value or "").strip()
    return text[:-2] if re.fullmatch(r"\d+\.0", text) else text


def choose_mapping(header: list[str], mappings: dict[str, ImportMapping], wanted: str = "") -> ImportMapping:
    """The mapping called ``wanted``, or the first whose columns are all in the header.

    Raises:
        ImportFailed: there is no such mapping, or none fits.
    """
    if wanted:
        if wanted not in mappings:
            known = ", ".join(mappings) or "none"
            raise ImportFailed(f"config.yml has no orders.imports.{wanted}; there are: {known}")
        candidates = {wanted: mappings[wanted]}
    else:
        candidates = mappings
    misses = []
    for name, mapping in candidates.items():
        needed = {
            column
            for key in REQUIRED
            for column in (COLUMN.findall(getattr(mapping, key)) or ([] if key in FIXABLE else [getattr(mapping, key)]))
        }
        missing = sorted(needed - set(header))
        if not missing:
            return mapping
        misses.append(f"{name} misses {', '.join(missing)}")
    raise ImportFailed(
        "no mapping below orders.imports in config.yml fits the file's columns "
        f"({', '.join(header)}): {'; '.join(misses)}"
    )


def _moment(text: str, zone: ZoneInfo) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        for layout in DATE_FORMATS:
            try:
                moment = datetime.strptime(text, layout)  # noqa: DTZ007 (the zone is added below)
                break
            except ValueError:
                continue
        else:
            raise ValueError(f"the date {text!r} cannot be read; write 2026-05-31 14:00") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _number(text: str, what: str) -> Decimal:
    try:
        number = Decimal(text.replace(",", "."))
    except InvalidOperation:
        raise ValueError(f"the {what} {text!r} is not a number") from None
    if not number.is_finite() or abs(number) >= Decimal(10) ** 12:
        raise ValueError(f"the {what} {text!r} is out of range")
    return number


class _Rows:
    """Turns rows into order lines, or says what is wrong with them."""

    def __init__(self, mapping: ImportMapping, header: list[str]) -> None:
        columns = set(header)
        self._mapping = mapping
        self._zone = ZoneInfo(mapping.timezone)
        self._read = {
            name: _reader(name, pattern, columns)
            for name, pattern in mapping.model_dump().items()
            if name not in ("timezone", "cancelled_prefix")
        }

    def parse(self, row: dict[str, str]) -> tuple[_Order, _Line]:
        """One row as an order (without lines) and its line. Raises ValueError with the reason."""
        values = {name: read(row) for name, read in self._read.items()}
        for name in REQUIRED:
            if not values[name] and name not in ("customer", "description"):
                raise ValueError(f"`{name}` is empty")
        number = values["order_number"].upper()
        if not number_key(number):
            raise ValueError("`order_number` is empty")
        quantity = _number(values["quantity"], "quantity")
        if quantity != int(quantity) or abs(quantity) > 2**31:
            raise ValueError(f"the quantity {values['quantity']!r} is not a whole number")
        line = _Line(
            values["sku"][:64], values["description"][:400], int(quantity), _number(values["unit_price"], "price")
        )
        currency = values["currency"].upper()
        if not re.fullmatch(r"[A-Z]{3}", currency):
            raise ValueError(f"the currency {currency!r} is not a code such as EUR")
        placed = _moment(values["placed_at"], self._zone)
        if values["delivered_at"]:
            values["delivered_at"] = _moment(values["delivered_at"], self._zone).isoformat()
        prefix = self._mapping.cancelled_prefix.upper()
        if prefix and number.startswith(prefix):
            values["status"] = "cancelled"
        return _Order(number[:40], values["customer"][:64], placed, currency, values), line


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with the line each begins at.

    Raises:
        ImportFailed: missing, unreadable, not UTF-8, or no CSV.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, restkey="__more__", strict=True)
            if not reader.fieldnames:
                raise ImportFailed(f"{path}: the file is empty; its first line must name the columns")
            if reader.line_num != 1 or any("\x00" in name for name in reader.fieldnames):
                raise ImportFailed(f"{path}: this is not a CSV file")
            yield 1, {name: name for name in reader.fieldnames}
            line = reader.line_num + 1
            for row in reader:
                yield line, row
                line = reader.line_num + 1
    except FileNotFoundError:
        raise ImportFailed(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise ImportFailed(f"{path}: this is a folder; name a CSV file") from None
    except UnicodeDecodeError as error:
        raise ImportFailed(f"{path}: not UTF-8 text (byte {error.start}); save it as CSV UTF-8") from None
    except csv.Error as error:
        raise ImportFailed(f"{path}: this is not a CSV file: {error}") from None
    except OSError as error:
        raise ImportFailed(f"{path}: cannot be read: {error.strerror}") from None


def read_orders(path: Path, mappings: dict[str, ImportMapping], wanted: str, result: Imported) -> dict[str, _Order]:
    """All orders of a file by their key; what is wrong goes into ``result.bad``."""
    rows = _rows(path)
    _, header_row = next(rows)
    header = list(header_row)
    parser = _Rows(choose_mapping(header, mappings, wanted), header)
    orders: dict[str, _Order] = {}
    for line, row in rows:
        result.rows += 1
        try:
            if "__more__" in row:
                raise ValueError("there are more cells than columns")
            if any(value is None for value in row.values()):
                raise ValueError("there are fewer cells than columns")
            order, position = parser.parse(row)
        except ValueError as error:
            result.bad.append(BadRow(line, str(error)))
            continue
        known = orders.setdefault(number_key(order.number), order)
        if known.customer != order.customer:
            result.bad.append(BadRow(line, f"order {order.number} belongs to another customer above"))
            continue
        known.lines.append(position)
    return {key: order for key, order in orders.items() if order.lines}


async def import_orders(
    database: Database,
    path: Path,
    mappings: dict[str, ImportMapping],
    *,
    mapping: str = "",
    country: str = "US",
    progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Import a CSV file.

    Args:
        database: where to.
        path: the file.
        mappings: ``orders.imports`` of ``config.yml``.
        mapping: which of them; default the first that fits.
        country: for telephone numbers without a country code.
        progress: called with the orders done and their total.

    Raises:
        ImportFailed: the file as a whole cannot be read; nothing is changed.
    """
    result = Imported()
    orders = list(read_orders(path, mappings, mapping, result).items())
    for start in range(0, len(orders), BATCH):
        batch = orders[start : start + BATCH]
        async with database.begin() as session:
            await _store(session, dict(batch), country, result)
        if progress:
            progress(min(start + BATCH, len(orders)), len(orders))
    return result


async def _store(session: AsyncSession, orders: dict[str, _Order], country: str, result: Imported) -> None:
    rows = await session.scalars(select(OrderRow).where(OrderRow.number_key.in_(orders)))
    existing = {row.number_key: row for row in rows}
    customers = await _customers(session, orders, existing, country, result)
    lines: dict[int, list[OrderLineRow]] = {row.id: [] for row in existing.values()}
    found = await session.scalars(
        select(OrderLineRow).where(OrderLineRow.order_id.in_(lines)).order_by(OrderLineRow.position)
    )
    for line in found:
        lines[line.order_id].append(line)
    fresh: list[tuple[OrderRow, _Order]] = []
    for key, order in orders.items():
        values = _values(order, customers[key], country)
        row = existing.get(key)
        if row is None:
            row = OrderRow(number_key=key, **values)
            session.add(row)
            fresh.append((row, order))
            result.orders_new += 1
            continue
        # The desk may have moved an order on since; a file without a status column does not undo it.
        if not order.fields["status"]:
            del values["status"]
        same_lines = [(item.sku, item.description, item.quantity, item.unit_price) for item in lines[row.id]] == [
            (item.sku, item.description, item.quantity, item.unit_price) for item in order.lines
        ]
        changed = [name for name, value in values.items() if getattr(row, name) != value]
        if same_lines and not changed:
            result.orders_unchanged += 1
            continue
        for name in changed:
            setattr(row, name, values[name])
        if not same_lines:
            await session.execute(delete(OrderLineRow).where(OrderLineRow.order_id == row.id))
            fresh.append((row, order))
        result.orders_changed += 1
    await session.flush()
    session.add_all(
        OrderLineRow(
            order_id=row.id,
            position=position,
            sku=item.sku,
            description=item.description,
            quantity=item.quantity,
            unit_price=item.unit_price,
        )
        for row, order in fresh
        for position, item in enumerate(order.lines, 1)
    )


def _reference(order: _Order) -> str:
    """What identifies the customer: their number, else their e-mail, else the order itself."""
    reference = order.customer or normal_email(order.fields["email"]) or f"order:{number_key(order.number)}"
    # An e-mail address may be longer than the column.
    return reference if len(reference) <= 64 else f"long:{hashlib.sha256(reference.encode()).hexdigest()[:56]}"


def _values(order: _Order, customer: Customer, country: str) -> dict[str, object]:
    status = order.fields["status"].casefold() or "delivered"
    contact = {
        "email": normal_email(order.fields["email"])[:254],
        "phone": normal_phone(order.fields["phone"], country)[:32] if order.fields["phone"] else "",
    }
    if customer.erased_at is not None:
        contact = dict.fromkeys(contact, "")
    # A file that does not say when it arrived does not undo what is known.
    arrived = order.fields["delivered_at"]
    known = {"delivered_at": datetime.fromisoformat(arrived)} if arrived else {}
    return (
        contact
        | known
        | {
            "number": order.number,
            "customer_id": customer.id,
            "status": status[:24],
            "placed_at": order.placed_at,
            "currency": order.currency,
            "total": order.total,
            "country": order.fields["country"][:64],
            "carrier": order.fields["carrier"][:64],
            "tracking_number": order.fields["tracking_number"][:64],
        }
    )


async def _customers(
    session: AsyncSession,
    orders: dict[str, _Order],
    existing: dict[str, OrderRow],
    country: str,
    result: Imported,
) -> dict[str, Customer]:
    """The customer of each order; new ones are added, empty fields are filled, those erased stay so."""
    references = {key: _reference(order) for key, order in orders.items()}
    sought = {*references.values(), *map(erased_reference, references.values())}
    rows = await session.scalars(select(Customer).where(Customer.external_ref.in_(sought)))
    known = {row.external_ref: row for row in rows}
    owners = {row.customer_id for row in existing.values()}
    erased = await session.scalars(select(Customer).where(Customer.id.in_(owners), Customer.erased_at.is_not(None)))
    gone = {row.id: row for row in erased}
    found: dict[str, Customer] = {}
    for key, order in orders.items():
        reference = references[key]
        past = gone.get(existing[key].customer_id) if key in existing else None
        customer = past or known.get(erased_reference(reference)) or known.get(reference)
        if customer is None:
            customer = known[reference] = Customer(external_ref=reference, name="", email="", phone="", country="")
            session.add(customer)
            result.customers_new += 1
        found[key] = customer
        if customer.erased_at is None:
            _fill(customer, order.fields, country)
    await session.flush()
    return found


def _fill(customer: Customer, fields: dict[str, str], country: str) -> None:
    customer.name = customer.name or fields["name"][:200]
    customer.email = customer.email or normal_email(fields["email"])[:254]
    customer.phone = customer.phone or (normal_phone(fields["phone"], country)[:32] if fields["phone"] else "")
    customer.country = customer.country or fields["country"][:64]
    if fields["tier"]:
        customer.tier = fields["tier"][:24]
