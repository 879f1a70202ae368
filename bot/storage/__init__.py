"""Storage: tables, transactions, migrations, read-only queries."""

from bot.contracts.text import clean
from bot.storage.database import Database, Hub, StorageError, insert_ignore, signal, wait
from bot.storage.models import now

__all__ = ["Database", "Hub", "StorageError", "clean", "insert_ignore", "now", "signal", "wait"]
