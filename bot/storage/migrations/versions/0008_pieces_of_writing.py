"""What is written at the desk has a name, so that it is sent once and no draft of it comes back"""

import sqlalchemy as sa
from alembic import op

from bot.storage import models

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade():
    """Add the table, and the name to the drafts."""
    op.create_table(
        "pieces",
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("piece", sa.String(64), nullable=False),
        sa.Column("content", sa.String(64), nullable=False),
        sa.Column("at", models.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_pieces_user_id_users")),
        sa.PrimaryKeyConstraint("user_id", "piece", name=op.f("pk_pieces")),
    )
    op.create_index(op.f("ix_pieces_at"), "pieces", ["at"])
    op.add_column("drafts", sa.Column("piece", sa.String(64), nullable=False, server_default=""))


def downgrade():
    """Take them away."""
    op.drop_column("drafts", "piece")
    op.drop_table("pieces")
