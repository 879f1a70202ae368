"""The merchant's records of customers, as another program of theirs adds and changes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config.sections import time_zone
from bot.contracts import LinguadeskError
from bot.services.customers import normal_email, normal_phone
from bot.services.privacy import erased_reference
from bot.storage import signal
from bot.storage.models import Customer

# What can be set, with how many characters each has room for.
FIELDS = {"external_ref": 64, "name": 200, "email": 254, "phone": 32, "country": 64, "tier": 24, "timezone": 64}


class CustomerError(LinguadeskError):
    """A customer cannot be added or changed so.

    ``field`` names the culprit; ``conflict`` says whether it is at odds with what is there, and not wrong in itself.
    """

    def __init__(self, field: str, message: str, *, conflict: bool = False) -> None:
        super().__init__(message)
        self.field = field
        self.conflict = conflict


def _normal(field: str, value: str, country: str) -> str:
    """The value as it is stored and compared."""
    value = value.strip()
    if len(value) > FIELDS[field]:
        raise CustomerError(field, f"must have at most {FIELDS[field]} characters")
    if not value:
        return "standard" if field == "tier" else ""
    if field == "email":
        name, at, host = value.partition("@")
        if not (name and at and host) or "@" in host or any(char.isspace() for char in value):
            raise CustomerError(field, "is not an e-mail address; use one such as anna@example.com")
        return normal_email(value)[: FIELDS[field]]
    if field == "phone":
        number = normal_phone(value, country)
        if not number.strip("+"):
            raise CustomerError(field, "is not a telephone number; use one such as +34 600 123 456")
        return number[: FIELDS[field]]
    if field == "timezone":
        try:
            return time_zone(value)
        except ValueError as error:
            raise CustomerError(field, str(error)) from None
    return value


async def _check_reference(session: AsyncSession, reference: str, own: int | None = None) -> None:
    found = await session.scalars(
        select(Customer).where(Customer.external_ref.in_((reference, erased_reference(reference))))
    )
    for other in found:
        if other.erased_at is not None:
            message = "belongs to a customer who was erased on request; they must not come back"
            raise CustomerError("external_ref", message, conflict=True)
        if other.id != own:
            raise CustomerError("external_ref", f"belongs to the customer {other.id} already", conflict=True)


async def add(session: AsyncSession, values: Mapping[str, str], country: str) -> Customer:
    """Add a customer.

    Args:
        session: the transaction.
        values: some of :data:`FIELDS`.
        country: ISO 3166 code for telephone numbers without a country code.

    Raises:
        CustomerError: a value cannot be used, the reference is taken, or was that of an erased customer.
    """
    customer = Customer()
    session.add(customer)
    return await _set(session, customer, values, country)


async def change(session: AsyncSession, customer_id: int, values: Mapping[str, str], country: str) -> Customer:
    """Change a customer; as :func:`add`.

    Raises:
        CustomerError: as :func:`add`; also ``unknown`` (field ``id``) and for one who was erased.
    """
    customer = await session.get(Customer, customer_id, with_for_update=True)
    if customer is None:
        raise CustomerError("id", "unknown")
    if customer.erased_at is not None:
        raise CustomerError("id", "this customer was erased on request and cannot be changed", conflict=True)
    return await _set(session, customer, values, country)


async def _set(session: AsyncSession, customer: Customer, values: Mapping[str, str], country: str) -> Customer:
    normal: dict[str, Any] = {field: _normal(field, value, country) for field, value in values.items()}
    if "external_ref" in normal:
        normal["external_ref"] = normal["external_ref"] or None
        if normal["external_ref"] is not None:
            with session.no_autoflush:
                await _check_reference(session, normal["external_ref"], customer.id)
    for field, value in normal.items():
        setattr(customer, field, value)
    await session.flush()
    signal(session, "desk")
    return customer
