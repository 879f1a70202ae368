"""Rooms of agents on platforms; customers who shut the bot out; messages sent in parts, edited or deleted"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

from bot.storage import models

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("conversations", sa.Column("unreachable_at", models.UtcDateTime(timezone=True), nullable=True))
    op.add_column("outbox", sa.Column("parts_sent", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("messages", sa.Column("change", sa.String(length=8), nullable=False, server_default=""))
    op.create_table(
        "rooms",
        sa.Column("id", ID, nullable=False),
        sa.Column("handoff_id", ID, nullable=False),
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("chat", sa.String(length=120), nullable=False),
        sa.Column("thread", sa.String(length=120), nullable=False),
        sa.Column("card", sa.String(length=120), nullable=False),
        sa.Column("card_digest", sa.String(length=64), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("shown", sa.BigInteger(), nullable=False),
        sa.Column("notes", sa.JSON().with_variant(postgresql.JSONB(astext_type=Text()), "postgresql"), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("lease_until", models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("closed_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_rooms_conversation_id_conversations")
        ),
        sa.ForeignKeyConstraint(["handoff_id"], ["handoffs.id"], name=op.f("fk_rooms_handoff_id_handoffs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rooms")),
        sa.UniqueConstraint("handoff_id", "channel", name=op.f("uq_rooms_handoff_id_channel")),
    )
    op.create_index(op.f("ix_rooms_conversation_id"), "rooms", ["conversation_id"])
    op.create_index("ix_rooms_place", "rooms", ["channel", "chat", "thread"])
    op.create_index("ix_rooms_open", "rooms", ["closed_at", "due_at"])
    op.create_table(
        "agent_identities",
        sa.Column("id", ID, nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("identity", sa.String(length=120), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_agent_identities_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_identities")),
        sa.UniqueConstraint("channel", "identity", name=op.f("uq_agent_identities_channel_identity")),
    )
    op.create_index(op.f("ix_agent_identities_user_id"), "agent_identities", ["user_id"])


def downgrade() -> None:
    op.drop_table("agent_identities")
    op.drop_table("rooms")
    for table, column in (("messages", "change"), ("outbox", "parts_sent"), ("conversations", "unreachable_at")):
        with op.batch_alter_table(table) as batch_op:
            batch_op.drop_column(column)
