"""Alembic's entry point; :mod:`bot.storage.migrate` hands it an open connection."""

from alembic import context

from bot.storage.migrate import is_compared
from bot.storage.models import Base


def run() -> None:
    """Run the migrations on the connection that was handed over."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        # SQLite cannot alter most of a table in place: Alembic copies it instead.
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        include_name=is_compared,
        user_module_prefix="models.",
    )
    with context.begin_transaction():
        context.run_migrations()


run()
