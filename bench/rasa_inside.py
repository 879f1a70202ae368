"""One engine in a process of its own, asked over pipes; ``python -m bench.rasa`` starts it.

Its arguments are ``embedded HOME DATA_DIR`` or ``rasa MODEL``; the latter runs in Rasa's Python (3.10).
A line of standard input is a JSON list of messages, a line of standard output the list of its answers:
for each the intent, and the milliseconds it took to parse in this process.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

Parser = Callable[[str], Awaitable[str]]
"""Gives the intent of a message."""


async def embedded(home: str, data_dir: str) -> Parser:
    """The embedded engine, as a server loads it: with what it would otherwise load at a later message."""
    from bot.config import load_config
    from nlu.recognizers.embedded import EmbeddedRecognizer

    recognizer = EmbeddedRecognizer.load(load_config(Path(home), Path(data_dir), env={}))
    await recognizer.warm_up()

    async def parse(text: str) -> str:
        return (await recognizer.parse(text)).intent

    return parse


async def rasa(model: str) -> Parser:
    """Rasa's agent with a model file."""
    from rasa.core.agent import load_agent

    agent = await load_agent(model_path=model)

    async def parse(text: str) -> str:
        return str((await agent.parse_message(text))["intent"]["name"])

    return parse


async def answer(parser: Parser, texts: list[str]) -> list[tuple[str, float]]:
    """Parse messages one after the other; intents and milliseconds."""
    found = []
    for text in texts:
        begun = time.perf_counter()
        intent = await parser(text)
        found.append((intent, 1000 * (time.perf_counter() - begun)))
    return found


async def main() -> None:
    """Load the engine, then answer until standard input ends."""
    # What libraries print goes to the log, not between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    engine, *arguments = sys.argv[1:]
    parser = await (embedded(*arguments) if engine == "embedded" else rasa(*arguments))
    for line in sys.stdin:
        answers.write(json.dumps(await answer(parser, json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    asyncio.run(main())
