"""Clocks, teams and turns, translations, corrections, notes, alerts, webhooks, the API's keys, follow-ups of surveys"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

from bot.storage import models

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(astext_type=Text()), "postgresql")


def upgrade() -> None:
    op.create_table(
        "announcements",
        sa.Column("id", ID, nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("params", DOCUMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("done_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_announcements")),
    )
    op.create_index("ix_announcements_open", "announcements", ["done_at", "due_at"])

    op.create_table(
        "api_tokens",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", DOCUMENT, nullable=False),
        sa.Column("created_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("used_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_tokens_digest")),
        sa.UniqueConstraint("name", name=op.f("uq_api_tokens_name")),
    )
    op.create_table(
        "api_calls",
        sa.Column("id", ID, nullable=False),
        sa.Column("token_id", ID, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.Column("result", ID, nullable=True),
        sa.Column("at", models.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["token_id"], ["api_tokens.id"], name=op.f("fk_api_calls_token_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_calls")),
        sa.UniqueConstraint("token_id", "key", name=op.f("uq_api_calls_token_id_key")),
    )
    op.create_index(op.f("ix_api_calls_at"), "api_calls", ["at"])

    op.create_table(
        "events",
        sa.Column("id", ID, nullable=False),
        sa.Column("uid", sa.String(length=40), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("data", DOCUMENT, nullable=False),
        sa.Column("at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("spread_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("uid", name=op.f("uq_events_uid")),
    )
    op.create_index(op.f("ix_events_spread_at"), "events", ["spread_at"])

    op.create_table(
        "topic_flags",
        sa.Column("id", ID, nullable=False),
        sa.Column("dimension", sa.String(length=24), nullable=False),
        sa.Column("value", sa.String(length=120), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("observed", sa.Integer(), nullable=False),
        sa.Column("expected", sa.Double(), nullable=False),
        sa.Column("p_value", sa.Double(), nullable=False),
        sa.Column("created_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_topic_flags")),
        sa.UniqueConstraint("dimension", "value", "day", name=op.f("uq_topic_flags_dimension_value_day")),
    )
    op.create_table(
        "alerts",
        sa.Column("id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("params", DOCUMENT, nullable=False),
        sa.Column("path", sa.String(length=200), nullable=False),
        sa.Column("created_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("seen_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_alerts_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index("ix_alerts_user", "alerts", ["user_id", "seen_at", "id"])
    op.create_index(
        "ix_alerts_unseen",
        "alerts",
        ["path"],
        sqlite_where=sa.text("seen_at IS NULL"),
        postgresql_where=sa.text("seen_at IS NULL"),
    )

    op.create_table(
        "deliveries",
        sa.Column("id", ID, nullable=False),
        sa.Column("event_id", ID, nullable=False),
        sa.Column("webhook", sa.String(length=40), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "pending",
                "sending",
                "sent",
                "dead",
                name="delivery_status",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("lease_until", models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("delivered_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_deliveries_event_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("event_id", "webhook", name=op.f("uq_deliveries_event_id_webhook")),
    )
    op.create_index("ix_deliveries_open", "deliveries", ["status", "due_at"])

    op.create_table(
        "drafts",
        sa.Column("user_id", ID, nullable=False),
        sa.Column("place", sa.String(length=120), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("updated_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_drafts_user_id")),
        sa.PrimaryKeyConstraint("user_id", "place", name=op.f("pk_drafts")),
    )
    op.create_table(
        "conversation_notes",
        sa.Column("id", ID, nullable=False),
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("agent_id", ID, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["users.id"], name=op.f("fk_conversation_notes_agent_id")),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_conversation_notes_conversation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation_notes")),
    )
    op.create_index(op.f("ix_conversation_notes_conversation_id"), "conversation_notes", ["conversation_id"])

    op.create_table(
        "presence",
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("until", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("writing", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name=op.f("fk_presence_conversation_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_presence_user_id")),
        sa.PrimaryKeyConstraint("conversation_id", "user_id", name=op.f("pk_presence")),
    )
    op.create_table(
        "ticket_clocks",
        sa.Column("id", ID, nullable=False),
        sa.Column("ticket_id", ID, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "first_response", "resolution", name="clock_kind", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
        ),
        sa.Column("calendar", sa.String(length=64), nullable=False),
        sa.Column("target_seconds", sa.BigInteger(), nullable=False),
        sa.Column("used_seconds", sa.BigInteger(), nullable=False),
        sa.Column("started_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("since", models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("due_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("warned_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("told_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("breached_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("met_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_clocks_ticket_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_clocks")),
        sa.UniqueConstraint("ticket_id", "kind", name=op.f("uq_ticket_clocks_ticket_id_kind")),
    )
    op.create_index("ix_ticket_clocks_due_at", "ticket_clocks", ["due_at"])

    op.create_table(
        "corrections",
        sa.Column("id", ID, nullable=False),
        sa.Column("message_id", ID, nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("predicted", sa.String(length=80), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("intent", sa.String(length=80), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("agent_id", ID, nullable=False),
        sa.Column("reviewer_id", ID, nullable=True),
        sa.Column("created_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("reviewed_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agent_id"], ["users.id"], name=op.f("fk_corrections_agent_id")),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_corrections_message_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["reviewer_id"], ["users.id"], name=op.f("fk_corrections_reviewer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
    )
    op.create_index(op.f("ix_corrections_message_id"), "corrections", ["message_id"])
    op.create_index("ix_corrections_status", "corrections", ["status", "id"])

    op.create_table(
        "translations",
        sa.Column("id", ID, nullable=False),
        sa.Column("message_id", ID, nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("engine", sa.String(length=40), nullable=False),
        sa.Column("original", sa.Boolean(), nullable=False),
        sa.Column("created_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_translations_message_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_translations")),
        sa.UniqueConstraint("message_id", "language", name=op.f("uq_translations_message_id_language")),
    )
    op.add_column("customers", sa.Column("timezone", sa.String(length=64), server_default="", nullable=False))

    op.add_column("handoffs", sa.Column("team", sa.String(length=64), server_default="", nullable=False))
    op.add_column("handoffs", sa.Column("passed", DOCUMENT, server_default="[]", nullable=False))
    op.add_column("handoffs", sa.Column("offered_to_id", ID, nullable=True))
    op.add_column("handoffs", sa.Column("offered_at", models.UtcDateTime(timezone=True), nullable=True))
    op.add_column("handoffs", sa.Column("phone", sa.String(length=32), server_default="", nullable=False))
    op.add_column("handoffs", sa.Column("summary", DOCUMENT, server_default="{}", nullable=False))
    op.add_column("handoffs", sa.Column("steps", DOCUMENT, server_default="[]", nullable=False))

    op.add_column("tickets", sa.Column("team", sa.String(length=64), server_default="", nullable=False))
    op.add_column("tickets", sa.Column("agent_id", ID, nullable=True))
    op.add_column("tickets", sa.Column("product", sa.String(length=120), server_default="", nullable=False))
    op.add_column("tickets", sa.Column("carrier", sa.String(length=64), server_default="", nullable=False))
    op.add_column("tickets", sa.Column("country", sa.String(length=64), server_default="", nullable=False))
    op.add_column("tickets", sa.Column("tier", sa.String(length=24), server_default="", nullable=False))
    op.add_column("tickets", sa.Column("sentiment", sa.Double(), nullable=True))
    op.create_index(op.f("ix_tickets_agent_id"), "tickets", ["agent_id"])
    op.create_index("ix_tickets_created_at", "tickets", ["created_at"])

    op.add_column("users", sa.Column("away_since", models.UtcDateTime(timezone=True), nullable=True))
    op.add_column("users", sa.Column("speaks", DOCUMENT, server_default="[]", nullable=False))
    op.add_column("users", sa.Column("capacity", sa.Integer(), nullable=True))
    op.add_column("users", sa.Column("assigned_at", models.UtcDateTime(timezone=True), nullable=True))
    _surveys()


def _surveys() -> None:
    """Answers with their changes, follow-ups, campaigns, and a fuller snapshot."""
    op.create_table(
        "survey_answers",
        sa.Column("id", ID, nullable=False),
        sa.Column("survey_id", ID, nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("at", models.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.id"], name=op.f("fk_survey_answers_survey_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_survey_answers")),
    )
    op.create_index(op.f("ix_survey_answers_survey_id"), "survey_answers", ["survey_id"])
    op.create_table(
        "follow_ups",
        sa.Column("id", ID, nullable=False),
        sa.Column("survey_id", ID, nullable=False),
        sa.Column("team", sa.String(length=64), nullable=False),
        sa.Column("owner_id", ID, nullable=True),
        sa.Column("due_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=24), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("closed_at", models.UtcDateTime(timezone=True), nullable=True),
        sa.Column("again_id", ID, nullable=True),
        sa.Column("closed_by_id", ID, nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_follow_ups_owner_id")),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.id"], name=op.f("fk_follow_ups_survey_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_follow_ups")),
        sa.UniqueConstraint("survey_id", name=op.f("uq_follow_ups_survey_id")),
    )
    op.create_index(op.f("ix_follow_ups_again_id"), "follow_ups", ["again_id"])
    op.create_index(op.f("ix_follow_ups_owner_id"), "follow_ups", ["owner_id"])
    op.create_index("ix_follow_ups_open", "follow_ups", ["closed_at", "due_at"])
    op.create_table(
        "campaigns",
        sa.Column("id", ID, nullable=False),
        sa.Column("definition", sa.String(length=64), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("audience", DOCUMENT, nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("excluded", DOCUMENT, nullable=False),
        sa.Column("created_at", models.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_campaigns_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
    )
    for name in ("delivered_at", "reminded_at"):
        op.add_column("surveys", sa.Column(name, models.UtcDateTime(timezone=True), nullable=True))
    lengths = {"definition": 64, "trigger": 24, "team": 64, "product": 120, "country": 64, "reason": 40, "topic": 40}
    lengths["nonce"] = 32
    for name, length in lengths.items():
        op.add_column("surveys", sa.Column(name, sa.String(length=length), server_default="", nullable=False))
    op.add_column("surveys", sa.Column("campaign_id", ID, nullable=True))
    op.add_column("surveys", sa.Column("order_id", ID, nullable=True))
    op.add_column("surveys", sa.Column("sentiment", sa.Double(), nullable=True))
    op.create_index(op.f("ix_surveys_campaign_id"), "surveys", ["campaign_id"])
    op.create_index(op.f("ix_surveys_order_id"), "surveys", ["order_id"])
    op.create_index(op.f("ix_surveys_outbox_id"), "surveys", ["outbox_id"])
    op.create_index("ix_surveys_kind", "surveys", ["kind", "sent_at"])
    op.create_index("ix_surveys_customer", "surveys", ["customer_id", "created_at"])
    # What was delivered before this was kept: when the platform took the message that asked.
    op.execute(
        "UPDATE surveys SET delivered_at = (SELECT outbox.sent_at FROM outbox WHERE outbox.id = surveys.outbox_id "
        "AND outbox.status = 'sent') WHERE outbox_id IS NOT NULL"
    )


TABLES = (
    "campaigns",
    "follow_ups",
    "survey_answers",
    "translations",
    "corrections",
    "ticket_clocks",
    "presence",
    "conversation_notes",
    "drafts",
    "deliveries",
    "alerts",
    "topic_flags",
    "events",
    "api_calls",
    "api_tokens",
    "announcements",
)
COLUMNS = {
    "customers": ("timezone",),
    "handoffs": ("team", "passed", "offered_to_id", "offered_at", "phone", "summary", "steps"),
    "tickets": ("team", "agent_id", "product", "carrier", "country", "tier", "sentiment"),
    "surveys": (
        "delivered_at",
        "reminded_at",
        "definition",
        "trigger",
        "campaign_id",
        "order_id",
        "nonce",
        "team",
        "product",
        "country",
        "reason",
        "topic",
        "sentiment",
    ),
    "users": ("away_since", "speaks", "capacity", "assigned_at"),
}


def downgrade() -> None:
    added = ("ix_surveys_campaign_id", "ix_surveys_order_id", "ix_surveys_outbox_id")
    for name in ("ix_surveys_customer", "ix_surveys_kind", *map(op.f, added)):
        op.drop_index(name, "surveys")
    op.drop_index("ix_tickets_created_at", "tickets")
    op.drop_index(op.f("ix_tickets_agent_id"), "tickets")
    for table in TABLES:
        op.drop_table(table)
    for table, names in COLUMNS.items():
        for name in names:
            op.drop_column(table, name)
