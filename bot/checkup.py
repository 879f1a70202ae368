"""``linguadesk check``: the whole configuration, read and cross-checked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import connectors
from actions import load_actions
from actions.knowledge import load_knowledge
from bot import catalogues, digest, questionnaire, webhooks
from bot.app import build
from bot.canned import load_canned
from bot.config import Config, ConfigError, Problem, find_home, line_of, load_config, load_yaml
from bot.contracts import LinguadeskError, Parse, Translator
from bot.domain import FILE, Domain, load_domain
from bot.storage import Database
from bot.texts import Texts
from nlu.rasa import server as rasa
from nlu.recognizers.rasa import Unanswered, model_of
from nlu.training_data import load_training_data

LIVE_SECONDS = 30.0


def examine(data_dir: Path | None = None) -> list[Problem]:
    """Everything that is wrong with the project in :func:`bot.config.find_home`, errors first."""
    home = find_home()
    problems: list[Problem] = []
    config = _try(problems, lambda: load_config(home, data_dir))
    domain = _try(problems, lambda: load_domain(home))
    if domain is not None:
        problems += _actions(domain)
    if config is not None:
        settings, texts = config.settings, None
        _try(problems, lambda: load_knowledge(home, settings.languages))
        _try(problems, lambda: load_canned(home, settings.languages))
        if domain is not None:
            problems += questionnaire.examine(config, domain)
            texts = _try(problems, lambda: Texts(domain, settings.languages, settings.shop))
            if texts is not None:
                problems += catalogues.examine(domain, settings.languages)
        data = _try(problems, lambda: load_training_data(config))
        if data is not None:
            problems += data.warnings
            if settings.recognizer.engine == "rasa":
                problems += _rasa(config)
        if _try(problems, lambda: Database(config.database_url)) is not None:
            problems += _connectors(config, texts)
        problems += webhooks.examine(config)
        _try(problems, lambda: digest.smtp_of(config))
        _try(problems, config.metrics_token)
        if config.env.get("LINGUADESK_SECRET_KEY"):
            _try(problems, config.secret_key)
        elif settings.web.public_url:
            problems.append(
                Problem("environment", 0, "LINGUADESK_SECRET_KEY is not set; a key is kept in the data folder", True)
            )
    return sorted(problems, key=lambda problem: problem.warning)


async def examine_live(config: Config) -> tuple[list[str], list[Problem]]:
    """What the platforms themselves say: tokens, scopes, webhooks, agents' places.

    Returns:
        The channels that were asked, and what is wrong, errors first.

    Raises:
        ConfigError: the configuration cannot be used; :func:`examine` says why.
    """
    app = build(config, recognizer=_Deaf())
    asked: list[str] = []
    problems: list[Problem] = []
    try:
        for name, connector in app.connectors.items():
            look = getattr(connector, "examine", None)
            if look is None:
                continue
            asked.append(name)
            try:
                async with asyncio.timeout(LIVE_SECONDS):
                    problems += await look()
            except (LinguadeskError, TimeoutError) as error:
                told = str(error) or f"no answer within {LIVE_SECONDS:.0f} s"
                problems.append(Problem(name, 0, told))
        if app.translator is not None:
            asked.append("translation")
            problems += await _translation(config, app.translator)
    finally:
        await app.close()
    return asked, sorted(problems, key=lambda problem: problem.warning)


async def _translation(config: Config, translator: Translator) -> list[Problem]:
    """A translation server that does not answer, or cannot translate between customers and the desk."""
    document = load_yaml(config.home / "config.yml", "config.yml")
    line = line_of(document, "translation", "url")
    try:
        async with asyncio.timeout(LIVE_SECONDS):
            known = await translator.languages()
    except (LinguadeskError, TimeoutError) as error:
        return [Problem("config.yml", line, str(error) or f"no answer within {LIVE_SECONDS:.0f} s")]
    desk = config.settings.shop.default_language
    pairs = [pair for other in config.settings.languages if other != desk for pair in ((other, desk), (desk, other))]
    missing = [f"{source} → {target}" for source, target in pairs if (source, target) not in known]
    if not missing:
        return []
    message = f"the translation server does not translate {', '.join(missing)}; install these languages on it"
    return [Problem("config.yml", line, message, True)]


class _Deaf:
    """A recogniser for a program that hears nothing."""

    async def parse(self, text: str, *, language: str = "", today: date | None = None) -> Parse:
        """Nothing is understood."""
        return Parse(text, "", 0.0)


def _try(problems: list[Problem], read: Callable[[], Any]) -> Any:
    """What ``read`` returns, or None with its complaints added."""
    try:
        return read()
    except ConfigError as error:
        problems.extend(error.problems)
    except LinguadeskError as error:
        problems.append(Problem("environment", 0, str(error)))
    return None


def _actions(domain: Domain) -> list[Problem]:
    """Actions that nothing carries out, intents that nothing answers."""
    known = load_actions()
    problems = []
    for index, name in enumerate(domain.actions):
        intent = name.removeprefix("action_")
        if intent not in known.run and f"utter_{intent}" not in domain.responses:
            message = f"nothing carries out `{name}`; write a function in actions/ or a response utter_{intent}"
            problems.append(Problem(FILE, line_of(domain.document, "actions", index), message))
    for index, intent in enumerate(domain.intents):
        if intent not in known.run and f"utter_{intent}" not in domain.responses:
            message = f"nothing answers the intent `{intent}`; add a response utter_{intent} or an action"
            problems.append(Problem(FILE, line_of(domain.document, "intents", index), message))
    return problems


def _rasa(config: Config) -> list[Problem]:
    """A Rasa server that does not answer, has no model, or one of other files; the desk works without it."""
    document = load_yaml(config.home / "config.yml", "config.yml")
    line = line_of(document, "recognizer", "rasa", "url")
    where = f"the Rasa server at {config.settings.recognizer.rasa.url}"
    try:
        loaded = asyncio.run(model_of(config))
    except Unanswered as error:
        message = f"{where} is of no use: {error}. Until it is, the embedded engine answers; see docs/rasa.md"
        return [Problem("config.yml", line, message, True)]
    ours = rasa.model_path(config).name
    if loaded.startswith(rasa.PREFIX) and loaded != ours:
        message = f"{where} has learnt from other files than these; train it (make rasa-train) and start it again"
        return [Problem("config.yml", line, message, True)]
    return []


def _connectors(config: Config, texts: Texts | None) -> list[Problem]:
    """Channels that do not exist, or that are on and cannot start."""
    document = load_yaml(config.home / "config.yml", "config.yml")
    problems = []
    for name in config.settings.connectors:
        line = line_of(document, "connectors", name)
        try:
            connectors.load(name)
        except ConfigError as error:
            problems += [Problem("config.yml", line, problem.message) for problem in error.problems]
    if problems or texts is None:
        return problems
    database = Database(config.database_url)
    host = connectors.Host(database=database, config=config, env=config.env, texts=texts)
    for name in connectors.enabled(config):
        # Building one says whether its library and its secrets are there; nothing is contacted yet.
        _try(problems, partial(connectors.create, name, host))
    return problems
