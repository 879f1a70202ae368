"""Full-text search: what can be found, the queue of what is to be indexed, and indexes for the desk's lists

The triggers belong to the tables: a later migration that has SQLite copy one of these tables (Alembic's
batch mode) must make its triggers again.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from bot.storage import models

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WORDS = sa.Text().with_variant(postgresql.TSVECTOR(), "postgresql")

# What is found, as bot.storage.indexing.Kind has it: the table, its kind, the columns whose change counts.
FOUND = (
    ("messages", 1, ("text", "change")),
    ("tickets", 2, ("description", "order_number", "language")),
    ("customers", 3, ("name", "email", "phone", "external_ref")),
    ("orders", 4, ("number", "tracking_number")),
    ("conversation_notes", 5, ("text",)),
    ("conversations", 6, ("name",)),
)
# What belongs to something that is found: the table, the kind and the column that names it.
PARTS = (("ticket_events", 2, "ticket_id"), ("translations", 1, "message_id"))
SHIFT = 1 << 40


def _sqlite(table: str, kind: int, columns: tuple[str, ...]) -> list[str]:
    doc = f"{kind * SHIFT} + "
    changed = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in columns)
    return [
        f"CREATE TRIGGER search_{table}_new AFTER INSERT ON {table} BEGIN "
        f"INSERT INTO search_queue (doc) VALUES ({doc}NEW.id); END",
        f"CREATE TRIGGER search_{table}_changed AFTER UPDATE OF {', '.join(columns)} ON {table} WHEN {changed} BEGIN "
        f"DELETE FROM search WHERE id = {doc}NEW.id; INSERT INTO search_queue (doc) VALUES ({doc}NEW.id); END",
        f"CREATE TRIGGER search_{table}_gone AFTER DELETE ON {table} BEGIN "
        f"DELETE FROM search WHERE id = {doc}OLD.id; END",
    ]


def _sqlite_part(table: str, kind: int, column: str) -> list[str]:
    doc = f"{kind * SHIFT} + "
    again = f"INSERT INTO search_queue (doc) VALUES ({doc}%s.{column});"
    return [
        f"CREATE TRIGGER search_{table}_new AFTER INSERT ON {table} BEGIN {again % 'NEW'} END",
        f"CREATE TRIGGER search_{table}_changed AFTER UPDATE ON {table} BEGIN "
        f"DELETE FROM search WHERE id = {doc}OLD.{column}; {again % 'OLD'} {again % 'NEW'} END",
        f"CREATE TRIGGER search_{table}_gone AFTER DELETE ON {table} BEGIN "
        f"DELETE FROM search WHERE id = {doc}OLD.{column}; {again % 'OLD'} END",
    ]


SQLITE_INDEX = (
    "CREATE VIRTUAL TABLE search_words USING fts5("
    "words, content='search', content_rowid='id', tokenize='ascii', prefix='2 3', columnsize=0)",
    "CREATE TRIGGER search_words_new AFTER INSERT ON search BEGIN "
    "INSERT INTO search_words (rowid, words) VALUES (NEW.id, NEW.words); END",
    "CREATE TRIGGER search_words_gone AFTER DELETE ON search BEGIN "
    "INSERT INTO search_words (search_words, rowid, words) VALUES ('delete', OLD.id, OLD.words); END",
)

POSTGRES_FUNCTIONS = (
    f"""
    CREATE FUNCTION search_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE base bigint := TG_ARGV[0]::bigint * {SHIFT};
    BEGIN
        IF TG_OP = 'DELETE' THEN
            DELETE FROM search WHERE id = base + OLD.id;
            RETURN NULL;
        END IF;
        IF TG_OP = 'UPDATE' THEN
            DELETE FROM search WHERE id = base + NEW.id;
        END IF;
        INSERT INTO search_queue (doc) VALUES (base + NEW.id);
        RETURN NULL;
    END $$
    """,
    f"""
    CREATE FUNCTION search_part_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE base bigint := TG_ARGV[0]::bigint * {SHIFT};
    BEGIN
        IF TG_OP <> 'INSERT' THEN
            DELETE FROM search WHERE id = base + (to_jsonb(OLD) ->> TG_ARGV[1])::bigint;
            INSERT INTO search_queue (doc) VALUES (base + (to_jsonb(OLD) ->> TG_ARGV[1])::bigint);
        END IF;
        IF TG_OP <> 'DELETE' THEN
            INSERT INTO search_queue (doc) VALUES (base + (to_jsonb(NEW) ->> TG_ARGV[1])::bigint);
        END IF;
        RETURN NULL;
    END $$
    """,
)


def _postgres(table: str, kind: int, columns: tuple[str, ...]) -> list[str]:
    changed = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in columns)
    run = f"FOR EACH ROW {{}}EXECUTE FUNCTION search_changed('{kind}')"
    return [
        f"CREATE TRIGGER search_{table}_new AFTER INSERT OR DELETE ON {table} {run.format('')}",
        f"CREATE TRIGGER search_{table}_changed AFTER UPDATE OF {', '.join(columns)} ON {table} "
        + run.format(f"WHEN ({changed}) "),
    ]


def _postgres_part(table: str, kind: int, column: str) -> list[str]:
    return [
        f"CREATE TRIGGER search_{table}_new AFTER INSERT OR UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION search_part_changed('{kind}', '{column}')"
    ]


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    op.create_table(
        "search",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("at", models.UtcDateTime(timezone=True), nullable=False),
        sa.Column("words", WORDS, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search")),
    )
    op.create_index("ix_search_at", "search", ["at", "id"])
    op.create_index(op.f("ix_conversations_agent_id"), "conversations", ["agent_id"])
    op.drop_index("ix_conversations_owner", "conversations")
    for name in ("owner", "channel", "language"):
        op.create_index(f"ix_conversations_{name}", "conversations", [name, "updated_at"])
    for name in ("type", "severity", "language", "team"):
        op.create_index(f"ix_tickets_{name}", "tickets", [name, "id"])
    op.create_table(
        "search_queue",
        sa.Column("id", ID, nullable=False),
        sa.Column("doc", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_queue")),
    )
    if not sqlite:
        op.create_index(
            "ix_search_words", "search", ["words"], postgresql_using="gin", postgresql_with={"fastupdate": "off"}
        )
    statements = list(SQLITE_INDEX if sqlite else POSTGRES_FUNCTIONS)
    for table, kind, columns in FOUND:
        statements += (_sqlite if sqlite else _postgres)(table, kind, columns)
    for table, kind, column in PARTS:
        statements += (_sqlite_part if sqlite else _postgres_part)(table, kind, column)
    # The workers index what is there already, the newest first, while everything else goes on.
    for table, kind, _ in reversed(FOUND):
        if table != "messages":
            statements.insert(0, f"INSERT INTO search_queue (doc) SELECT {kind * SHIFT} + id FROM {table} ORDER BY id")
    statements.insert(0, f"INSERT INTO search_queue (doc) SELECT {SHIFT} + id FROM messages ORDER BY id")
    for statement in statements:
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    connection = op.get_bind()
    sqlite = connection.dialect.name == "sqlite"
    for table, *_ in (*FOUND, *PARTS):
        for name in ("new", "changed", "gone"):
            on = "" if sqlite else f" ON {table}"
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS search_{table}_{name}{on}")
    if sqlite:
        connection.exec_driver_sql("DROP TABLE search_words")
    else:
        connection.exec_driver_sql("DROP FUNCTION search_changed()")
        connection.exec_driver_sql("DROP FUNCTION search_part_changed()")
    op.drop_index(op.f("ix_conversations_agent_id"), "conversations")
    for name in ("type", "severity", "language", "team"):
        op.drop_index(f"ix_tickets_{name}", "tickets")
    for name in ("owner", "channel", "language"):
        op.drop_index(f"ix_conversations_{name}", "conversations")
    op.create_index("ix_conversations_owner", "conversations", ["owner"])
    op.drop_table("search_queue")
    op.drop_table("search")
