"""A chat in the terminal: one person, one conversation, lines in and lines out.

Buttons are shown as numbers; the number, or the button's words, can be typed. The smallest
connector there is, and a model for others.
"""

from __future__ import annotations

import asyncio
import getpass
import locale
import sys
import uuid
from collections.abc import Callable

from rich.console import Console
from rich.markup import escape
from sqlalchemy import func, select

from bot.contracts import Accept, Address, Attachment, Inbound, Limits, LinguadeskError, Outgoing, PermanentError
from bot.storage import wait
from bot.storage.models import Inbox, InboxStatus, Outbox, OutboxStatus
from connectors import Host

PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.5


class Terminal:
    """See the module."""

    name = "terminal"
    limits = Limits()

    def __init__(self, host: Host) -> None:
        self._host = host
        self._accept: Accept | None = None
        self._console = Console(highlight=False)
        self._address = Address("terminal", "terminal", getpass.getuser())

    async def start(self, accept: Accept) -> None:
        """Remember where lines go; reading begins with :meth:`converse`."""
        self._accept = accept

    async def stop(self) -> None:
        """Nothing to close."""
        self._accept = None

    def parts(self, message: Outgoing) -> int:
        """Each message is one."""
        return 1

    async def send(self, message: Outgoing, part: int = 0) -> str:
        """Print one message."""
        lines = [f"[bold cyan]{escape(message.text)}[/]"]
        lines += [f"  [dim]{number}.[/] {escape(button.title)}" for number, button in enumerate(message.choices, 1)]
        lines += [f"  [dim]{escape(str(self._host.config.files_dir / item.path))}[/]" for item in message.media]
        self._console.print("\n".join(lines))
        return ""

    async def fetch(self, attachment: Attachment) -> bytes:
        """No files come from a terminal."""
        raise PermanentError("a terminal sends no files")

    async def converse(self, read: Callable[[], str] = sys.stdin.readline) -> None:
        """Read lines until the end of the input, each answered before the next is read."""
        tag = locale.getlocale()[0] or ""
        interactive = sys.stdin.isatty()
        while True:
            if interactive:
                self._console.print("[dim]›[/] ", end="")
            line = await asyncio.to_thread(read)
            if not line:
                return
            text = line.rstrip("\n")
            if not text.strip():
                continue
            if not interactive:
                self._console.print(f"[dim]› {escape(text)}[/]")
            payload = text if text.startswith("/") else ""
            event = Inbound(uuid.uuid4().hex, self._address, text, payload, locale=tag)
            if self._accept is None:
                raise LinguadeskError("the terminal was not started")
            (inbox_id,) = await self._accept([event])
            await self._answered(inbox_id or 0)

    async def _answered(self, inbox_id: int) -> None:
        """Wait until the event is handled and its answers are printed."""
        database = self._host.database
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        with database.hub.watch(f"inbox:{inbox_id}", "delivery") as waiting:
            while asyncio.get_running_loop().time() < deadline:
                async with database.read() as session:
                    row = await session.get(Inbox, inbox_id)
                    open_messages = await session.scalar(
                        select(func.count())
                        .select_from(Outbox)
                        .where(
                            Outbox.channel == self.name,
                            Outbox.status.in_((OutboxStatus.PENDING, OutboxStatus.SENDING)),
                        )
                    )
                if row is not None and row.status is not InboxStatus.PENDING and not open_messages:
                    return
                await wait(waiting, POLL_SECONDS)
