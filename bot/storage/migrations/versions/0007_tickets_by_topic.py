"""Indexes by which the list of tickets is narrowed down to a product, a carrier, a country"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TOPICS = ("product", "carrier", "country")


def upgrade():
    """Add the indexes."""
    for column in TOPICS:
        op.create_index(f"ix_tickets_{column}", "tickets", [column, "id"])


def downgrade():
    """Take them away."""
    for column in TOPICS:
        op.drop_index(f"ix_tickets_{column}", "tickets")
