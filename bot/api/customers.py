"""Customers."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import APIRouter, Path, Query, Response, Security
from pydantic import Field
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.api import reading
from bot.api.door import Caller, Doer, do, enter
from bot.api.problems import missing
from bot.api.schemas import (
    CustomerGiven,
    CustomerOut,
    CustomerOutFull,
    CustomerPage,
    ExportOut,
    Given,
    Id,
    Made,
    Order,
    Short,
)
from bot.services import customer_book, privacy
from bot.services.customers import normal_email, normal_phone
from bot.storage.models import Conversation, Customer, Ticket

router = APIRouter(prefix="/customers", tags=["customers"])
Reader: TypeAlias = Annotated[Caller, Security(enter, scopes=["customers:read"])]
Writer: TypeAlias = Annotated[Doer, Security(do, scopes=["customers:write"])]
CustomerId: TypeAlias = Annotated[Id, Path()]


class CustomerFilter(Given):
    """Which customers; all filters must hold."""

    email: Annotated[Short, Field(max_length=254)] | None = None
    phone: Short | None = Field(default=None, description="In any usual notation.")
    external_ref: Short | None = Field(default=None, description="The customer's number in your own system.")
    sort: Order = Field(default="newest", description="By when they were added.")
    cursor: Short | None = Field(default=None, description="What the page before gave as `next`.")
    limit: int = Field(default=50, ge=1, le=200)


@router.get("", summary="List or look up customers")
async def list_customers(caller: Reader, wanted: Annotated[CustomerFilter, Query()]) -> CustomerPage:
    """The customers that fit, a page at a time. E-mail address, telephone number and reference must fit exactly."""
    query = select(Customer)
    if wanted.email is not None:
        query = query.where(Customer.email == normal_email(wanted.email), Customer.email != "")
    if wanted.phone is not None:
        phone = normal_phone(wanted.phone, caller.door.config.settings.shop.country)
        query = query.where(Customer.phone == phone, Customer.phone != "")
    if wanted.external_ref is not None:
        query = query.where(Customer.external_ref == wanted.external_ref)
    async with caller.door.database.read() as session:
        rows, after = await reading.page(
            session, query, Customer.id, order=wanted.sort, cursor=wanted.cursor, limit=wanted.limit
        )
    return CustomerPage(items=[reading.customer_out(row[0]) for row in rows], next=after)


@router.get("/{customer_id}", summary="Read a customer")
async def get_customer(caller: Reader, customer_id: CustomerId) -> CustomerOutFull:
    """A customer with their orders, tickets and conversations."""
    async with caller.door.database.read() as session:
        row = await session.get(Customer, customer_id)
        if row is None:
            raise missing("customer", customer_id)
        chats = select(Conversation).where(Conversation.customer_id == customer_id)
        talks = (await session.scalars(chats.order_by(Conversation.id.desc()).limit(reading.AROUND))).all()
        theirs = or_(Ticket.customer_id == customer_id, Conversation.customer_id == customer_id)
        tickets = reading.TICKETS.where(theirs).order_by(Ticket.id.desc()).limit(reading.AROUND)
        return CustomerOutFull(
            **reading.customer_out(row).model_dump(),
            orders=await reading.orders_of(session, customer_id),
            tickets=await reading.ticket_items(session, (await session.execute(tickets)).all()),
            conversations=await reading.conversation_items(session, talks),
        )


async def _made(doer: Doer, customer_id: int) -> CustomerOut | Made:
    """The customer, for those who may read customers."""
    if not doer.may("customers:read"):
        return Made(id=customer_id, url=doer.url("customers", customer_id))
    async with doer.caller.door.database.read() as session:
        row = await session.get(Customer, customer_id)
    if row is None:
        raise missing("customer", customer_id)
    return reading.customer_out(row)


@router.post("", status_code=201, summary="Add a customer")
async def add_customer(doer: Writer, given: CustomerGiven, response: Response) -> CustomerOut | Made:
    """Add a customer; `external_ref` keeps the same one from being added twice."""
    country = doer.settings.shop.country

    async def work(session: AsyncSession) -> int:
        return (await customer_book.add(session, given.values(), country)).id

    made = await doer.once(work)
    response.headers["Location"] = doer.url("customers", made)
    return await _made(doer, made)


@router.patch("/{customer_id}", summary="Change a customer")
async def change_customer(doer: Writer, customer_id: CustomerId, given: CustomerGiven) -> CustomerOut | Made:
    """Change the fields that are given."""
    country = doer.settings.shop.country

    async def work(session: AsyncSession) -> int:
        return (await customer_book.change(session, customer_id, given.values(), country)).id

    return await _made(doer, await doer.once(work))


@router.post("/{customer_id}/export", summary="Everything that is kept about a customer")
async def export(caller: Reader, customer_id: CustomerId) -> ExportOut:
    """What a customer who asks for their data is given. That it was asked for is written down."""
    async with caller.door.database.begin() as session:
        if await session.get(Customer, customer_id) is None:
            raise missing("customer", customer_id)
        return ExportOut.model_validate(await privacy.export_customer(session, customer_id))


@router.post("/{customer_id}/erase", summary="Erase a customer")
async def erase(doer: Writer, customer_id: CustomerId) -> CustomerOut | Made:
    """Erase a customer who asks for it: texts, names, contacts, files. Orders, tickets and ratings stay without them.

    This cannot be undone. Erasing someone again changes nothing.
    """
    files_dir = doer.caller.door.config.files_dir

    async def work(session: AsyncSession) -> int:
        row = await session.get(Customer, customer_id, with_for_update=True)
        if row is None:
            raise missing("customer", customer_id)
        if row.erased_at is None:
            await privacy.erase_customer(session, customer_id, files_dir)
        return customer_id

    return await _made(doer, await doer.once(work))
