"""The managers' figures are kept in step while everything else goes on."""

from __future__ import annotations

import asyncio
import logging

from bot.config import Settings
from bot.services import figures
from bot.storage import Database, StorageError
from bot.storage.database import described

log = logging.getLogger(__name__)

IDLE_SECONDS = 15.0
# Between two full batches, as after an upgrade: the customers' messages go first.
PAUSE_SECONDS = 0.1
RETRY_SECONDS = 30.0


class FigureKeeper:
    """Takes what has happened into the figures, until cancelled.

    Args:
        database: where everything is.
        settings: all settings.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    async def run(self) -> None:
        """Take in what comes, for ever. Trouble is waited out: what is not taken in is noted, and stays so."""
        while True:
            try:
                more = await self._some()
            except StorageError as error:
                log.warning("the figures wait for the database: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            except Exception as error:
                # Nobody's messages may wait because something cannot be counted.
                log.error("the figures are not brought up to date for now: %s", described(error))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            await asyncio.sleep(PAUSE_SECONDS if more else IDLE_SECONDS)

    async def _some(self) -> bool:
        """Take in a batch; whether there may be more."""
        async with self._database.read() as session:
            if not await figures.is_behind(session):
                return False
        async with self._database.begin() as session:
            return await figures.refresh(session, self._settings)
