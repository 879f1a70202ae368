"""Digests by e-mail: each is a row until the mail server has taken it, and is sent once.

A row's ``due_at`` is also its lease: it is put off while somebody sends it, and so comes back by itself if
that somebody dies.
"""

from __future__ import annotations

import asyncio
import logging
import smtplib
import ssl
from dataclasses import dataclass
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from sqlalchemy import select, update

from bot.config import Config, ConfigError, Problem
from bot.pace import backoff
from bot.services.alerts import ANNOUNCED
from bot.storage import Database, clean, now, wait
from bot.storage.database import described
from bot.storage.models import Announcement

log = logging.getLogger(__name__)

# The channel of announcements that go by e-mail.
MAIL = "email"
IDLE_SECONDS = 5.0
TIMEOUT_SECONDS = 30.0
# Longer than one try can take.
LEASE = timedelta(minutes=5)
STALE = timedelta(days=1)
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """A mail server, from ``LINGUADESK_SMTP_URL``.

    ``smtps`` encrypts from the first byte, ``smtp`` by STARTTLS, without which nothing is sent, except to
    this machine itself.
    """

    scheme: str
    host: str
    port: int
    user: str
    password: str
    sender: str

    def __repr__(self) -> str:
        return f"SmtpServer({self.scheme}://{self.host}:{self.port})"

    def send(self, message: EmailMessage) -> None:
        """Hand a message to the server; blocks. Raises :class:`OSError` and :class:`smtplib.SMTPException`."""
        context = ssl.create_default_context()
        if self.scheme == "smtps":
            with smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_SECONDS, context=context) as server:
                self._hand_over(server, message)
            return
        with smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS) as server:
            server.ehlo()
            if server.has_extn("starttls") or self.host not in LOCAL:
                server.starttls(context=context)
                server.ehlo()
            self._hand_over(server, message)

    def _hand_over(self, server: smtplib.SMTP, message: EmailMessage) -> None:
        if self.user:
            server.login(self.user, self.password)
        server.send_message(message)


def smtp_of(config: Config) -> SmtpServer | None:
    """The mail server that is in the environment, None without one.

    Raises:
        ConfigError: ``LINGUADESK_SMTP_URL`` cannot be used; its text tells no secret.
    """
    url = config.env.get("LINGUADESK_SMTP_URL", "").strip()
    if not url:
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or {"smtps": 465, "smtp": 587}[parts.scheme]
        user = unquote(parts.username or "")
        sender = parse_qs(parts.query).get("from", [user])[0]
        usable = bool(host) and bool(Address(addr_spec=sender).domain)
    except (ValueError, KeyError, IndexError):
        usable = False
    if not usable:
        form = "smtps://user:password@host:465?from=desk@example.com, or smtp:// for STARTTLS"
        raise ConfigError(Problem("environment", 0, f"LINGUADESK_SMTP_URL cannot be used; write {form}"))
    return SmtpServer(parts.scheme, host, port, user, unquote(parts.password or ""), sender)


def message_of(server: SmtpServer, params: dict[str, Any], files_dir: Path) -> EmailMessage:
    """The e-mail that a row's parameters stand for: words, and the picture where it is still there."""
    message = EmailMessage()
    message["From"], message["To"] = server.sender, params["to"]
    message["Subject"] = " ".join(params["subject"].split())
    message["Date"], message["Message-ID"] = format_datetime(now()), make_msgid(domain=server.sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(params["text"])
    picture = params.get("media")
    path = files_dir / picture["path"] if picture else None
    if picture and path is not None and path.is_file():
        kind, _, subkind = picture["mime"].partition("/")
        message.add_attachment(path.read_bytes(), maintype=kind, subtype=subkind, filename=picture["name"])
    return message


class Postman:
    """Sends what is to go by e-mail until cancelled.

    Args:
        database: where it is.
        config: the mail server, and where pictures are.
    """

    def __init__(self, database: Database, config: Config) -> None:
        self._database = database
        self._config = config
        self._server = smtp_of(config)

    async def run(self) -> None:
        """Send for ever; without a mail server there is nothing to do."""
        with self._database.hub.watch(ANNOUNCED) as waiting:
            while True:
                try:
                    while self._server is not None and await self._one(self._server):
                        pass
                except Exception as error:
                    log.error("no e-mail is sent for now: %s", described(error))
                    await asyncio.sleep(IDLE_SECONDS)
                await wait(waiting, IDLE_SECONDS)

    async def _one(self, server: SmtpServer) -> bool:
        """Send the first one that is due; False if there is none."""
        moment = now()
        async with self._database.begin() as session:
            row = await session.scalar(
                select(Announcement)
                .where(Announcement.channel == MAIL, Announcement.done_at.is_(None), Announcement.due_at <= moment)
                .order_by(Announcement.id)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            if row is None:
                return False
            row.due_at = moment + LEASE
            number, params, attempts, made = row.id, dict(row.params), row.attempts + 1, row.created_at
        try:
            message = await asyncio.to_thread(message_of, server, params, self._config.files_dir)
            await asyncio.to_thread(server.send, message)
        except (smtplib.SMTPException, OSError, ValueError) as error:
            # What servers answer may quote addresses: the kind of trouble is enough.
            kind = type(error).__name__
            final = isinstance(error, (smtplib.SMTPRecipientsRefused, ValueError)) or made < moment - STALE
            final = final or attempts >= self._config.settings.delivery.attempts
            log.warning("e-mail %d is not sent: %s%s", number, kind, "; given up" if final else "")
            due = now() + timedelta(seconds=backoff(attempts, self._config.settings.delivery))
            await self._record(
                number, attempts=attempts, due_at=due, error=clean(kind), done_at=now() if final else None
            )
        else:
            await self._record(number, done_at=now(), error="")
        return True

    async def _record(self, number: int, **values: Any) -> None:
        async with self._database.begin() as session:
            await session.execute(
                update(Announcement)
                .where(Announcement.id == number)
                .values(**values)
                .execution_options(synchronize_session=False)
            )
