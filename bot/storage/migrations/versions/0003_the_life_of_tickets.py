"""Tickets wait for the customer or for a third party; root cause and resolution; merging; the closing of resolved ones"""

import json
from datetime import datetime, timedelta

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

from bot.storage import models

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(astext_type=Text()), "postgresql")
BEFORE = ("new", "open", "pending", "resolved", "closed")
AFTER = ("new", "open", "pending_customer", "pending_third_party", "resolved", "closed")
# What was resolved before there was a time to reopen it has the usual one.
REOPEN = timedelta(days=14)
OLD_COLUMNS = (
    "id, conversation_id, customer_id, order_id, order_number, type, severity, status, description, language, "
    "created_at, updated_at, resolved_at"
)

EVENTS = sa.table("ticket_events", sa.column("id", ID), sa.column("kind", sa.String()), sa.column("detail", DOCUMENT))
TICKETS = sa.table(
    "tickets",
    sa.column("id", ID),
    sa.column("status", sa.String()),
    sa.column("resolved_at", models.UtcDateTime(timezone=True)),
)
TIMERS = sa.table(
    "timers",
    sa.column("kind", sa.String()),
    sa.column("key", sa.String()),
    sa.column("payload", DOCUMENT),
    sa.column("status", sa.String()),
    sa.column("due_at", models.UtcDateTime(timezone=True)),
    sa.column("attempts", sa.Integer()),
    sa.column("error", sa.Text()),
)


def _copied(statuses: tuple[str, ...], renamed: str, *extra: sa.Column | sa.ForeignKeyConstraint) -> None:
    """SQLite cannot change a CHECK: the table is made anew, under its own name, so that the rows that refer
    to it fit again when the transaction ends."""
    op.execute("PRAGMA defer_foreign_keys = ON")
    op.execute(f"CREATE TABLE tickets_copy AS SELECT {OLD_COLUMNS} FROM tickets")
    op.drop_table("tickets")
    op.create_table(
        "tickets",
        sa.Column("id", ID, nullable=False),
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("customer_id", ID, nullable=True),
        sa.Column("order_id", ID, nullable=True),
        sa.Column("order_number", sa.String(length=40), nullable=False),
        sa.Column("type", sa.String(length=24), nullable=False),
        sa.Column("severity", sa.String(length=24), nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("created_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("updated_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", models.UtcDateTime(timezone=True), nullable=True),
        *extra,
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name=op.f("fk_tickets_conversation_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_tickets_customer_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_tickets_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tickets")),
        sa.CheckConstraint(
            "type IN ('damaged', 'wrong_item', 'missing_item', 'not_delivered', 'late', 'quality', 'service', 'billing', 'other')",
            name=op.f("ck_tickets_ticket_type"),
        ),
        sa.CheckConstraint("severity IN ('low', 'normal', 'high', 'critical')", name=op.f("ck_tickets_severity")),
        sa.CheckConstraint(_one_of(statuses), name=op.f("ck_tickets_ticket_status")),
    )
    kept = OLD_COLUMNS.replace("status", renamed)
    op.execute(f"INSERT INTO tickets ({OLD_COLUMNS}) SELECT {kept} FROM tickets_copy ORDER BY id")
    op.drop_table("tickets_copy")
    op.create_index("ix_tickets_conversation_id", "tickets", ["conversation_id"])
    op.create_index("ix_tickets_customer_id", "tickets", ["customer_id"])
    op.create_index("ix_tickets_status", "tickets", ["status", "created_at"])


def _one_of(statuses: tuple[str, ...]) -> str:
    return f"status IN ({', '.join(repr(status) for status in statuses)})"


def _history(names: dict[str, str]) -> None:
    """Old names of statuses in the recorded changes become the new ones."""
    connection = op.get_bind()
    for row in connection.execute(sa.select(EVENTS).where(EVENTS.c.kind == "status")).all():
        detail = row.detail if isinstance(row.detail, dict) else json.loads(row.detail)
        changed = detail | {key: names.get(detail[key], detail[key]) for key in ("before", "after") if key in detail}
        if changed != detail:
            connection.execute(EVENTS.update().where(EVENTS.c.id == row.id).values(detail=changed))


def _clocks() -> None:
    connection = op.get_bind()
    resolved = sa.select(TICKETS.c.id, TICKETS.c.resolved_at).where(TICKETS.c.status == "resolved")
    for ticket, moment in connection.execute(resolved).all():
        since: datetime = moment or models.now()
        clock = {
            "kind": "ticket_close",
            "key": f"ticket_close:{ticket}:{int(since.timestamp())}",
            # Nobody wants to hear now of what was over long ago.
            "payload": {"ticket": ticket, "quiet": True},
            "status": "pending",
            "due_at": since + REOPEN,
            "attempts": 0,
            "error": "",
        }
        connection.execute(TIMERS.insert().values(**clock))


def upgrade() -> None:
    columns = (
        sa.Column("root_cause", sa.String(length=80), nullable=False, server_default=""),
        sa.Column("resolution", sa.String(length=80), nullable=False, server_default=""),
        sa.Column("merged_into_id", ID, nullable=True),
    )
    if op.get_bind().dialect.name == "sqlite":
        reference = sa.ForeignKeyConstraint(
            ["merged_into_id"], ["tickets.id"], name=op.f("fk_tickets_merged_into_id_tickets")
        )
        _copied(AFTER, "CASE status WHEN 'pending' THEN 'pending_customer' ELSE status END", *columns, reference)
    else:
        op.drop_constraint(op.f("ck_tickets_ticket_status"), "tickets")
        op.execute("UPDATE tickets SET status = 'pending_customer' WHERE status = 'pending'")
        op.create_check_constraint(op.f("ck_tickets_ticket_status"), "tickets", _one_of(AFTER))
        for column in columns:
            op.add_column("tickets", column)
        op.create_foreign_key(
            op.f("fk_tickets_merged_into_id_tickets"), "tickets", "tickets", ["merged_into_id"], ["id"]
        )
    op.create_index(op.f("ix_tickets_merged_into_id"), "tickets", ["merged_into_id"])
    _history({"pending": "pending_customer"})
    _clocks()


def downgrade() -> None:
    op.execute("DELETE FROM timers WHERE kind = 'ticket_close'")
    _history({"pending_customer": "pending", "pending_third_party": "pending"})
    if op.get_bind().dialect.name == "sqlite":
        _copied(BEFORE, "CASE WHEN status LIKE 'pending%' THEN 'pending' ELSE status END")
        return
    op.drop_index(op.f("ix_tickets_merged_into_id"), "tickets")
    op.drop_constraint(op.f("fk_tickets_merged_into_id_tickets"), "tickets")
    for column in ("merged_into_id", "resolution", "root_cause"):
        op.drop_column("tickets", column)
    op.drop_constraint(op.f("ck_tickets_ticket_status"), "tickets")
    op.execute("UPDATE tickets SET status = 'pending' WHERE status IN ('pending_customer', 'pending_third_party')")
    op.create_check_constraint(op.f("ck_tickets_ticket_status"), "tickets", _one_of(BEFORE))
