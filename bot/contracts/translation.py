"""Translation between the languages of customers and agents."""

from __future__ import annotations

from typing import Protocol


class Translator(Protocol):
    """Translates between the languages of customers and agents. The text is the only thing it is given."""

    name: str

    async def translate(self, text: str, source: str, target: str) -> str:
        """A text in another language. ``source`` and ``target`` are codes as in ``config.yml``.

        Raises :class:`TemporaryError` when it may work later, :class:`PermanentError` when it never will.
        """
        ...

    async def languages(self) -> frozenset[tuple[str, str]]:
        """The pairs (source, target) that it can translate. Raises like :meth:`translate`."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...
