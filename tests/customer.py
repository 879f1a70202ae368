"""The language of the scenario tests: ``await customer.says("…")``, ``customer.sees("…")``."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

from bot import agents
from bot.app import App
from bot.storage.models import Conversation, User


@dataclass(frozen=True, slots=True)
class Shown:
    """One message as the customer sees it; ``buttons`` are titles with what pressing them sends."""

    text: str
    buttons: tuple[tuple[str, Any], ...] = ()
    files: tuple[str, ...] = ()


class Channel(Protocol):
    """One customer's end of a platform."""

    async def say(self, text: str) -> list[Shown]:
        """Write, and return what is answered."""
        ...

    async def press(self, button: Any) -> list[Shown]:
        """Press a button, and return what is answered."""
        ...


class RestChannel:
    """A customer on the REST channel, through the web application itself."""

    def __init__(self, app: App, locale: str = "") -> None:
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app.web), base_url="http://127.0.0.1")
        self.sender = f"customer-{uuid.uuid4().hex[:8]}"
        self._locale = locale

    async def say(self, text: str) -> list[Shown]:
        """One POST, whose answer is the replies."""
        body: dict[str, Any] = {"sender": self.sender, "message": text}
        if self._locale:
            body["metadata"] = {"locale": self._locale}
        response = await self._client.post("/webhooks/rest/webhook", json=body, timeout=30)
        response.raise_for_status()
        return [
            Shown(
                item.get("text", ""),
                tuple((button["title"], button["payload"]) for button in item.get("buttons", ())),
                (item["attachment"]["payload"]["src"],) if "attachment" in item else (),
            )
            for item in response.json()
        ]

    async def press(self, button: Any) -> list[Shown]:
        """A button's payload is sent as a message, as Rasa's clients do."""
        return await self.say(button)


@dataclass
class Customer:
    """Someone who writes to the desk."""

    channel: Channel
    seen: list[Shown] = field(default_factory=list)

    async def says(self, text: str) -> list[Shown]:
        """Write a message and wait for what is answered to it."""
        self.seen = await self.channel.say(text)
        return self.seen

    async def presses(self, title: str) -> list[Shown]:
        """Press the button with this title, or one that begins with it as an order's does."""
        for message in self.seen:
            for shown, payload in message.buttons:
                if shown == title or shown.startswith(f"{title} ·"):
                    self.seen = await self.channel.press(payload)
                    return self.seen
        raise AssertionError(
            f"no button {title!r} among {[button[0] for item in self.seen for button in item.buttons]}"
        )

    def sees(self, *fragments: str) -> None:
        """Assert that each of these stands in what was just answered."""
        text = self.text
        for fragment in fragments:
            assert fragment in text, f"{fragment!r} is not in {text!r}"

    def sees_not(self, *fragments: str) -> None:
        """Assert that none of these stands in what was just answered."""
        for fragment in fragments:
            assert fragment not in self.text, f"{fragment!r} is in {self.text!r}"

    def sees_nothing(self) -> None:
        """Assert that nothing was answered."""
        assert self.seen == []

    @property
    def text(self) -> str:
        """All that was just answered, buttons included."""
        lines = []
        for message in self.seen:
            lines.append(message.text)
            lines += [f"[{title}]" for title, _ in message.buttons]
            lines += message.files
        return "\n".join(lines)


@dataclass
class Agent:
    """Someone at the desk, acting through the same door that the desk's pages use."""

    app: App
    user: User

    async def conversation(self, customer: str) -> int:
        """The conversation of a customer, by the platform's id of the person."""
        from sqlalchemy import select

        async with self.app.database.read() as session:
            return (await session.scalars(select(Conversation.id).where(Conversation.user == customer))).one()

    async def replies(self, conversation_id: int, text: str) -> None:
        """Write to the customer."""
        async with self.app.database.begin() as session:
            await agents.reply(
                session, self.app.voice, conversation_id, self.user, text, settings=self.app.config.settings
            )

    async def resolves(self, conversation_id: int) -> None:
        """End the hand-over as resolved."""
        async with self.app.database.begin() as session:
            surveys = self.app.config.settings.surveys
            await agents.resolve(session, self.app.voice, conversation_id, self.user, surveys)

    async def gives_back(self, conversation_id: int) -> None:
        """Give the conversation back to the bot."""
        async with self.app.database.begin() as session:
            await agents.back_to_bot(session, self.app.voice, conversation_id, self.user)


async def eventually(check: Any, seconds: float = 20.0) -> Any:
    """The first true result of an asynchronous check, or an assertion failure after ``seconds``."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        if result := await check():
            return result
        assert asyncio.get_running_loop().time() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)
