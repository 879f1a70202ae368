"""A mail server that keeps what it takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast


@dataclass
class SmtpInbox:
    """What arrived; ``refuse`` are the answers to the next recipients in place of 250."""

    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refuse: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One session, in as much of RFC 5321 as a client without extensions needs."""
        writer.write(b"220 mail.test\r\n")
        while line := (await reader.readline()).strip():
            verb = line.upper()
            if verb.startswith(b"QUIT"):
                writer.write(b"221 bye\r\n")
                break
            if verb.startswith(b"RCPT") and self.refuse:
                writer.write(self.refuse.pop(0) + b"\r\n")
            elif verb.startswith(b"DATA"):
                writer.write(b"354 go on\r\n")
                body = (await reader.readuntil(b"\r\n.\r\n"))[:-5].replace(b"\r\n..", b"\r\n.")
                self.messages.append(cast("EmailMessage", message_from_bytes(body, policy=policy.default)))
                writer.write(b"250 taken\r\n")
            else:
                if verb.startswith(b"RCPT"):
                    self.recipients.append(line.decode().partition("<")[2].rstrip(">"))
                writer.write(b"250 fine\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def smtp_server() -> AsyncIterator[SmtpInbox]:
    """Runs while the block lasts, on a free port of this machine."""
    inbox = SmtpInbox()
    server = await asyncio.start_server(inbox.serve, "127.0.0.1", 0)
    inbox.port = server.sockets[0].getsockname()[1]
    async with server:
        yield inbox
