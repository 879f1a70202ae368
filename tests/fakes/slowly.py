"""A server that takes its time, to find tests that only pass because answers come at once.

Off unless ``LINGUADESK_TEST_SLOW`` names where the time goes and how much at most, in seconds:
``before:0.6`` (a request waits before it is handled), ``after:0.6`` (what it changed is done and told, the
answer to it comes later), ``news:0.6`` (the live stream is behind the answers), ``any:0.6`` (all of these,
each for a random part of the time). For example::

    LINGUADESK_TEST_SLOW=after:0.6 .venv/bin/python -m pytest -n auto -m browser
"""

from __future__ import annotations

import asyncio
import os
import random

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PLACES = ("before", "after", "news")


def slowly(app: ASGIApp) -> ASGIApp:
    """The application, or one that answers as late as the environment asks for.

    Raises:
        ValueError: the environment names no place and time.
    """
    asked = os.environ.get("LINGUADESK_TEST_SLOW", "")
    if not asked:
        return app
    place, _, most = asked.partition(":")
    if place not in (*_PLACES, "any"):
        raise ValueError(f"LINGUADESK_TEST_SLOW={asked}: one of {', '.join(_PLACES)}, any, then a colon and seconds")
    seconds = float(most)

    async def pause(where: str) -> None:
        if place == where:
            await asyncio.sleep(seconds)
        elif place == "any":
            await asyncio.sleep(seconds * random.random())

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        stream, told = False, -seconds
        loop = asyncio.get_running_loop()

        async def late(message: Message) -> None:
            nonlocal stream, told
            if message["type"] == "http.response.start":
                headers = dict(message["headers"])
                stream = headers.get(b"content-type", b"").startswith(b"text/event-stream")
                if not stream:
                    await pause("after")
            elif stream and message.get("body"):
                # What comes in a burst is late together.
                if loop.time() - told > seconds:
                    await pause("news")
                told = loop.time()
            await send(message)

        await pause("before")
        await app(scope, receive, late)

    return slow
