"""Connectors without a network: they stand where a platform begins."""

from __future__ import annotations

from bot.contracts import Accept, Attachment, Limits, Outgoing, PermanentError


class Phones:
    """A platform and its customers' devices (:class:`bot.contracts.Connector`).

    What is sent lies in ``arrived`` until somebody looks. The platforms' rates are those of real time, which a
    simulated year does not have, so that there are none here.

    Args:
        name: the channel that it stands for.
        keeps: whether anybody looks at what arrives.
    """

    limits = Limits()

    def __init__(self, name: str, *, keeps: bool = True) -> None:
        self.name = name
        self.arrived: list[Outgoing] = []
        self._keeps = keeps

    async def start(self, accept: Accept) -> None:
        """Nothing is received by itself."""

    async def stop(self) -> None:
        """Nothing to end."""

    def parts(self, message: Outgoing) -> int:
        """Each message is one."""
        return 1

    async def send(self, message: Outgoing, part: int = 0) -> str:
        """Put it where its customer looks."""
        if self._keeps:
            self.arrived.append(message)
        return f"{self.name}-{message.id}"

    async def fetch(self, attachment: Attachment) -> bytes:
        """Raises :class:`PermanentError`: simulated customers send no files."""
        raise PermanentError("simulated customers send no files")
