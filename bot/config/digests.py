"""The settings of digests: what managers get without asking for it."""

from __future__ import annotations

import re
from datetime import time
from email.headerregistry import Address
from typing import Literal

from pydantic import Field, field_validator, model_validator

from bot.config.sections import Section, language_code
from bot.config.tickets import WEEKDAYS, weekdays

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


class Digest(Section):
    """The figures of the day or the week before, sent ``at`` a time of the shop's clock, weekly ones on ``on``.

    ``places`` are channels whose agents' place gets it; ``emails`` addresses, for which
    ``LINGUADESK_SMTP_URL`` must be in the environment. ``teams`` are those whose figures it is about; empty
    means all.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    every: Literal["day", "week"] = "week"
    on: str = "mon"
    at: str = "08:00"
    language: str = "en"
    places: tuple[Literal["slack", "telegram"], ...] = ()
    emails: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()

    @field_validator("at")
    @classmethod
    def _at(cls, value: str) -> str:
        if not _TIME.fullmatch(value):
            raise ValueError('write a time such as "08:00", in quotes')
        return value

    @field_validator("on")
    @classmethod
    def _on(cls, value: str) -> str:
        (day,) = weekdays(value) if "-" not in value else ("",)
        if not day:
            raise ValueError(f"one weekday only: one of {', '.join(WEEKDAYS)}")
        return day

    @field_validator("language")
    @classmethod
    def _language(cls, value: str) -> str:
        return language_code(value)

    @field_validator("emails")
    @classmethod
    def _emails(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for email in value:
            try:
                usable = bool(Address(addr_spec=email).domain)
            except (ValueError, IndexError):
                usable = False
            if not usable:
                raise ValueError(f"{email!r} is not an e-mail address")
        return value

    @model_validator(mode="after")
    def _somewhere(self) -> Digest:
        if not self.places and not self.emails:
            raise ValueError("nobody would get it; name `places` or `emails`")
        return self

    @property
    def time(self) -> time:
        """When it is sent, on the shop's clock."""
        return time.fromisoformat(self.at)

    @property
    def weekday(self) -> int:
        """The day of the week of a weekly one; 0 is Monday."""
        return WEEKDAYS.index(self.on)
