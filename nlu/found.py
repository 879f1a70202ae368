"""What a pattern found, before it becomes an entity."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Found:
    """An entity in an aligned text: ``text[start:end]`` with its normalised value."""

    entity: str
    value: str
    start: int
    end: int
    confidence: float = 1.0

    def overlaps(self, other: Found) -> bool:
        """Whether the two share a character."""
        return self.start < other.end and other.start < self.end


class Taken:
    """The parts of a text that entities already hold; a later pattern gets only what is free."""

    def __init__(self) -> None:
        self.found: list[Found] = []

    def free(self, start: int, end: int) -> bool:
        """Whether nothing holds any part of ``start:end``."""
        return all(item.end <= start or end <= item.start for item in self.found)

    def add(self, item: Found) -> bool:
        """Keep an entity if its place is free."""
        if item.start >= item.end or not self.free(item.start, item.end):
            return False
        self.found.append(item)
        return True
