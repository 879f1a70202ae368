"""What figures are counted from: episodes, times of tickets, columns by day, and what has changed since

The triggers belong to the tables: a later migration that has SQLite copy one of these tables (Alembic's
batch mode) must make its triggers again.
"""

import sqlalchemy as sa
from alembic import op

from bot.storage import models

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
AT = models.UtcDateTime(timezone=True)
SNAPSHOT = ("channel", "language", "agent_id", "team", "ticket_type", "product", "country", "tier")
# Which table's changes are noted: as what, the row's column that is its id, when it happened, the columns
# whose change counts, and the condition on a row to count at all.
NOTED = (
    (
        "surveys",
        "survey",
        "id",
        "delivered_at",
        ("kind", "status", "score", "delivered_at", *SNAPSHOT),
        "{}.delivered_at IS NOT NULL",
    ),
    ("handoffs", "handoff", "id", "started_at", ("claimed_at", "started_at", "reason", "agent_id", "team"), ""),
    (
        "tickets",
        "ticket",
        "id",
        "created_at",
        ("status", "type", "team", "agent_id", "product", "country", "tier", "merged_into_id", "created_at"),
        "",
    ),
    ("follow_ups", "follow_up", "id", "created_at", ("outcome", "closed_at", "due_at", "team", "created_at"), ""),
    ("ticket_clocks", "ticket", "ticket_id", "", ("met_at", "breached_at", "calendar"), ""),
    ("conversations", "link", "id", "", ("customer_id",), "{}.customer_id IS NOT NULL"),
)


def _sqlite(table, fact, ref, at, columns, condition):
    note = (
        f"INSERT INTO figure_changes (fact, ref, at) VALUES ('{fact}', {{0}}.{ref}, {f'{{0}}.{at}' if at else 'NULL'});"
    )
    new, old = (f"WHEN {condition.format(row)} " if condition else "" for row in ("NEW", "OLD"))
    changed = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in columns)
    moved = f"OLD.{at} IS NOT NEW.{at} AND OLD.{at} IS NOT NULL" if at else "FALSE"
    either = f" AND ({condition.format('OLD')} OR {condition.format('NEW')})" if condition else ""
    return [
        f"CREATE TRIGGER figures_{table}_new AFTER INSERT ON {table} {new}BEGIN {note.format('NEW')} END",
        f"CREATE TRIGGER figures_{table}_changed AFTER UPDATE OF {', '.join(columns)} ON {table} "
        f"WHEN ({changed}){either} BEGIN {note.format('NEW')} END",
        f"CREATE TRIGGER figures_{table}_moved AFTER UPDATE OF {', '.join(columns)} ON {table} "
        f"WHEN {moved} BEGIN {note.format('OLD')} END",
        f"CREATE TRIGGER figures_{table}_gone AFTER DELETE ON {table} {old}BEGIN {note.format('OLD')} END",
    ]


FUNCTION = """
CREATE FUNCTION figures_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE before jsonb; after jsonb;
BEGIN
    IF TG_OP <> 'INSERT' THEN before := to_jsonb(OLD); END IF;
    IF TG_OP <> 'DELETE' THEN after := to_jsonb(NEW); END IF;
    IF after IS NOT NULL THEN
        INSERT INTO figure_changes (fact, ref, at)
        VALUES (TG_ARGV[0], (after ->> TG_ARGV[1])::bigint, (after ->> TG_ARGV[2])::timestamptz);
    END IF;
    IF before IS NOT NULL AND (after IS NULL OR before ->> TG_ARGV[2] IS DISTINCT FROM after ->> TG_ARGV[2]) THEN
        INSERT INTO figure_changes (fact, ref, at)
        VALUES (TG_ARGV[0], (before ->> TG_ARGV[1])::bigint, (before ->> TG_ARGV[2])::timestamptz);
    END IF;
    RETURN NULL;
END $$
"""


def _postgres(table, fact, ref, at, columns, condition):
    run = f"FOR EACH ROW {{}}EXECUTE FUNCTION figures_changed('{fact}', '{ref}', '{at}')"
    new, old = (f"WHEN ({condition.format(row)}) " if condition else "" for row in ("NEW", "OLD"))
    changed = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in columns)
    either = f" AND ({condition.format('OLD')} OR {condition.format('NEW')})" if condition else ""
    return [
        f"CREATE TRIGGER figures_{table}_new AFTER INSERT ON {table} {run.format(new)}",
        f"CREATE TRIGGER figures_{table}_changed AFTER UPDATE OF {', '.join(columns)} ON {table} "
        + run.format(f"WHEN (({changed}){either}) "),
        f"CREATE TRIGGER figures_{table}_gone AFTER DELETE ON {table} {run.format(old)}",
    ]


def _snapshot():
    return [
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("agent_id", ID, nullable=True),
        sa.Column("team", sa.String(length=64), nullable=False),
        sa.Column("ticket_type", sa.String(length=24), nullable=False),
        sa.Column("product", sa.String(length=120), nullable=False),
        sa.Column("country", sa.String(length=64), nullable=False),
        sa.Column("tier", sa.String(length=24), nullable=False),
    ]


def _tables() -> None:
    op.create_table(
        "episodes",
        sa.Column("id", ID, nullable=False),
        sa.Column("conversation_id", ID, nullable=False),
        sa.Column("customer_id", ID, nullable=True),
        sa.Column("first_id", sa.BigInteger(), nullable=False),
        sa.Column("began_at", AT, nullable=False),
        sa.Column("ended_at", AT, nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("asked_at", AT, nullable=True),
        sa.Column("plain", sa.Boolean(), nullable=False),
        sa.Column("thanked", sa.Boolean(), nullable=False),
        sa.Column("again", sa.Boolean(), nullable=False),
        sa.Column("escalated", sa.Boolean(), nullable=False),
        *_snapshot(),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name=op.f("fk_episodes_conversation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_episodes")),
    )
    op.create_index("ix_episodes_conversation", "episodes", ["conversation_id", "id"])
    op.create_index("ix_episodes_customer", "episodes", ["customer_id", "ended_at"])
    op.create_index("ix_episodes_began", "episodes", ["began_at"])
    op.create_table(
        "ticket_times",
        sa.Column("ticket_id", ID, autoincrement=False, nullable=False),
        sa.Column("opened_at", AT, nullable=False),
        sa.Column("answered_at", AT, nullable=True),
        sa.Column("response_seconds", sa.BigInteger(), nullable=True),
        sa.Column("resolved_at", AT, nullable=True),
        sa.Column("resolution_seconds", sa.BigInteger(), nullable=True),
        sa.Column("response_kept", sa.Boolean(), nullable=True),
        sa.Column("response_at", AT, nullable=True),
        sa.Column("resolution_kept", sa.Boolean(), nullable=True),
        sa.Column("resolution_at", AT, nullable=True),
        *_snapshot(),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_times_ticket_id")),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_ticket_times")),
    )
    for name in ("opened", "resolved", "response", "resolution"):
        column = f"{name}_at"
        index = column if name in ("response", "resolution") else name
        op.create_index(f"ix_ticket_times_{index}", "ticket_times", [column])
    op.create_table(
        "ticket_spans",
        sa.Column("id", ID, nullable=False),
        sa.Column("ticket_id", ID, nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("since", AT, nullable=False),
        sa.Column("until", AT, nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_spans_ticket_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_spans")),
    )
    op.create_index("ix_ticket_spans_until", "ticket_spans", ["until", "since"])
    op.create_index(op.f("ix_ticket_spans_ticket_id"), "ticket_spans", ["ticket_id"])
    op.create_table(
        "figure_columns",
        sa.Column("fact", sa.String(length=16), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("fact", "day", "name", name=op.f("pk_figure_columns")),
    )
    op.create_table(
        "figure_words",
        sa.Column("id", ID, nullable=False),
        sa.Column("word", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_figure_words")),
        sa.UniqueConstraint("word", name=op.f("uq_figure_words_word")),
    )
    op.create_table(
        "figure_changes",
        sa.Column("id", ID, nullable=False),
        sa.Column("fact", sa.String(length=16), nullable=False),
        sa.Column("ref", sa.BigInteger(), nullable=False),
        sa.Column("at", AT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_figure_changes")),
    )
    op.create_index("ix_figure_changes_fact", "figure_changes", ["fact", "id"])
    op.create_table(
        "figure_marks",
        sa.Column("name", sa.String(length=24), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("at", AT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_figure_marks")),
    )


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    _tables()
    op.create_index("ix_surveys_delivered", "surveys", ["kind", "delivered_at"])
    written = sa.text("comment <> ''")
    op.create_index(
        "ix_surveys_commented",
        "surveys",
        ["kind", "delivered_at"],
        sqlite_where=written,
        postgresql_where=written,
    )
    op.create_index("ix_handoffs_started_at", "handoffs", ["started_at"])
    op.create_index("ix_follow_ups_created_at", "follow_ups", ["created_at"])
    statements = [] if sqlite else [FUNCTION, "ALTER TABLE figure_columns ALTER COLUMN data SET STORAGE EXTERNAL"]
    for noted in NOTED:
        statements += (_sqlite if sqlite else _postgres)(*noted)
    # What is there already: the worker counts it, and until then what is asked for is read from the tables.
    for table, fact, ref, at, _, condition in NOTED[:4]:
        where = f" WHERE {condition.format(table)}" if condition else ""
        statements.append(
            f"INSERT INTO figure_changes (fact, ref, at) SELECT '{fact}', {ref}, {at} FROM {table}{where}"
        )
    for statement in statements:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    connection = op.get_bind()
    sqlite = connection.dialect.name == "sqlite"
    for table, *_ in NOTED:
        for name in ("new", "changed", "moved", "gone"):
            on = "" if sqlite else f" ON {table}"
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS figures_{table}_{name}{on}")
    if not sqlite:
        connection.exec_driver_sql("DROP FUNCTION figures_changed()")
    op.drop_index("ix_follow_ups_created_at", "follow_ups")
    op.drop_index("ix_handoffs_started_at", "handoffs")
    op.drop_index("ix_surveys_commented", "surveys")
    op.drop_index("ix_surveys_delivered", "surveys")
    for table in (
        "figure_marks",
        "figure_changes",
        "figure_words",
        "figure_columns",
        "ticket_spans",
        "ticket_times",
        "episodes",
    ):
        op.drop_table(table)
