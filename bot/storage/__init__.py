"""Storage: tables, transactions, migrations, read-only queries."""

from bot.storage.database import Database, Hub, StorageError, insert_ignore, signal, wait
from bot.storage.models import now
from bot.storage.text import clean

__all__ = ["Database", "Hub", "StorageError", "clean", "insert_ignore", "now", "signal", "wait"]
