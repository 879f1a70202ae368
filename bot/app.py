"""The only place that puts parts together."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

import connectors as channels
from actions import load_actions
from actions.knowledge import load_knowledge
from actions.overview import overview
from bot import jobs, questionnaire, translation
from bot.announcer import Announcer
from bot.api import api_routes
from bot.canned import load_canned
from bot.config import Config
from bot.contracts import Connector, LinguadeskError, Recognizer, Translator
from bot.desk import desk_routes
from bot.digest import Postman
from bot.dispatch import Dispatcher
from bot.domain import Domain, load_domain
from bot.engine import Engine
from bot.inbox import Acceptor
from bot.metrics import Metrics
from bot.outbox import Voice
from bot.pace import paces_of
from bot.rooms import RoomKeeper, Rooms, spaces_of
from bot.services.orders import DatabaseOrders
from bot.storage import Database, StorageError
from bot.storage.database import described
from bot.storage.indexing import Indexer
from bot.storage.migrate import require_current
from bot.surveyform import survey_routes
from bot.texts import Texts
from bot.webhooks import WebhookSender, hooks_of
from bot.worker import InboxWorker, TimerWorker, run_all
from nlu import recognizers, sentiment

log = logging.getLogger(__name__)


class WorkersEnded(LinguadeskError):
    """Nothing is handled or sent any more; the text says what to do."""


@dataclass(slots=True)
class App:
    """Everything, put together and not yet running.

    Built by :func:`build`; run by :meth:`running`.
    """

    config: Config
    domain: Domain
    database: Database
    voice: Voice
    engine: Engine
    recognizer: Recognizer
    connectors: dict[str, Connector]
    web: Starlette
    metrics: Metrics
    # None where translation is off.
    translator: Translator | None = None
    ready: bool = False
    # Whether closing also ends the recogniser: one that was handed in may serve others as well.
    owns_recognizer: bool = False
    # Set when the workers end though nobody asked them to: then nothing is handled or sent any more.
    broken: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.asynccontextmanager
    async def running(self, *, receive: bool = True, work: bool = True) -> AsyncIterator[App]:
        """Run connectors (``receive``) and workers (``work``) while the block lasts.

        A connector that cannot start is logged with what to do, and the others go on.

        Raises:
            StorageError: the database is missing or not migrated.
        """
        await require_current(self.database)
        await self.database.start()
        delivery = self.config.settings.delivery
        running = []
        if work:
            await jobs.begin(self.database, self.config.settings)
            shop = jobs.Workshop(
                self.database, self.voice, self.connectors, self.config, self.translator, self.recognizer
            )
            running += [TimerWorker(self.database, lane, delivery).run() for lane in jobs.lanes(jobs.handlers(shop))]
            if self.translator is not None:
                running.append(jobs.TranslationPlanner(self.database, self.config.settings).run())
            running += [
                InboxWorker(self.database, self.engine, delivery).run(),
                Indexer(self.database).run(),
                WebhookSender(self.database, self.config).run(),
                Postman(self.database, self.config).run(),
                jobs.FigureKeeper(self.database, self.config.settings).run(),
            ]
        paces = paces_of(self.connectors)
        running += [
            Dispatcher(self.database, self.connectors, delivery, paces, self.metrics).run(),
            RoomKeeper(self.database, spaces_of(self.connectors), paces, self.config.settings).run(),
            Announcer(self.database, spaces_of(self.connectors), paces, self.config.settings).run(),
        ]
        workers = asyncio.create_task(run_all(*running))
        workers.add_done_callback(self._workers_ended)
        accept = Acceptor(self.database, self.engine.anticipate if work else None, self.metrics)
        try:
            if receive:
                for connector in self.connectors.values():
                    try:
                        await connector.start(accept)
                    except LinguadeskError as error:
                        log.error("%s is off: %s", connector.name, error)
            self.ready = not self.broken.is_set()
            yield self
        finally:
            self.ready = False
            # The workers first: what they are sending still needs the connectors and the database.
            workers.remove_done_callback(self._workers_ended)
            workers.cancel()
            await asyncio.gather(workers, return_exceptions=True)
            for connector in self.connectors.values():
                try:
                    await connector.stop()
                except Exception as error:
                    log.error("%s did not stop in order: %s", connector.name, described(error))

    def _workers_ended(self, workers: asyncio.Task[None]) -> None:
        self.ready = False
        error = None if workers.cancelled() else workers.exception()
        log.critical("the workers have ended: %s", described(error) if error else "nobody asked them to")
        self.broken.set()

    def check(self) -> None:
        """Raises :class:`WorkersEnded` if the workers have ended by themselves."""
        if self.broken.is_set():
            raise WorkersEnded("the workers have ended unexpectedly; the reason is in the log; start the program again")

    async def close(self) -> None:
        """Close the database, and the recogniser if it was made for this app."""
        await self.database.close()
        if self.translator is not None:
            await self.translator.close()
        if self.owns_recognizer:
            await recognizers.close(self.recognizer)


def recognizer_of(config: Config) -> Recognizer:
    """The recogniser that the settings name; ``nlu.recognizers.close`` ends it.

    Raises ConfigError for one that cannot be loaded.
    """
    return recognizers.create(config)


def health_routes(app: App) -> list[BaseRoute]:
    """``/health/live``: the process runs; ``/health/ready``: it can work (database, workers)."""

    async def live(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_request: Request) -> Response:
        problems = []
        if not app.ready:
            problems.append("the workers have ended" if app.broken.is_set() else "not started yet")
        try:
            await require_current(app.database)
        except (StorageError, LinguadeskError):
            problems.append("the database does not answer")
        body = {"status": "unavailable" if problems else "ok", "problems": problems}
        return JSONResponse(body, status_code=503 if problems else 200)

    return [Route("/health/live", live), Route("/health/ready", ready)]


def metrics_routes(app: App) -> list[BaseRoute]:
    """``/metrics``, for who shows ``LINGUADESK_METRICS_TOKEN``; where that is not set there is no such page.

    Raises ConfigError for a token that is too short.
    """
    token = app.config.metrics_token().encode("utf-8", "surrogateescape")

    async def metrics(request: Request) -> Response:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode("latin-1"), token)
        if scheme.lower() != "bearer" or not same:
            hint = "Send the header Authorization: Bearer with the value of LINGUADESK_METRICS_TOKEN.\n"
            return PlainTextResponse(hint, 401, headers={"WWW-Authenticate": "Bearer"})
        page, content_type = await app.metrics.page(app.database, request.headers.get("accept", ""))
        return Response(page, headers={"Content-Type": content_type, "Cache-Control": "no-store"})

    return [Route("/metrics", metrics)] if token else []


def build(
    config: Config,
    *,
    recognizer: Recognizer | None = None,
    only: frozenset[str] | None = None,
    env: Mapping[str, str] | None = None,
) -> App:
    """Put all parts together.

    Args:
        config: settings and environment.
        recognizer: the one to use; default the one that the settings name, loaded from its cache.
        only: the connectors to build; default those that are switched on.
        env: the environment, for connectors' secrets; default the configuration's.

    Raises:
        ConfigError: anything in the project files that cannot be used.
        StorageError: the database URL cannot be used.
    """
    settings = config.settings
    domain = load_domain(config.home)
    questionnaire.require(config, domain)
    texts = Texts(domain, settings.languages, settings.shop)
    voice = Voice(texts)
    actions = load_actions()
    knowledge = load_knowledge(config.home, settings.languages)
    given, recognizer = recognizer, recognizer or recognizer_of(config)
    database = Database(config.database_url)
    database.emits = tuple(pattern for hook in hooks_of(config) for pattern in hook.patterns)
    scorer = sentiment.load(settings.languages, config.home).score
    metrics = Metrics()
    engine = Engine(
        database,
        metrics.watched(recognizer),
        voice,
        domain,
        actions,
        settings,
        config.files_dir,
        knowledge,
        lambda session: DatabaseOrders(session, settings.orders),
        scorer,
        metrics,
    )
    host = channels.Host(
        database=database,
        config=config,
        env=env or config.env,
        texts=texts,
        overview=partial(overview, database, texts, settings),
        room=Rooms(database, settings, load_canned(config.home, settings.languages)).view,
    )
    connectors: dict[str, Connector] = {}
    routes: list[BaseRoute] = []
    for name in channels.enabled(config, only):
        connector = channels.create(name, host)
        connectors[name] = connector
        routes += getattr(connector, "routes", list)()
    web = Starlette()
    metrics.expect(connectors, settings.languages)
    own = given is None
    app = App(config, domain, database, voice, engine, recognizer, connectors, web, metrics, owns_recognizer=own)
    app.translator = translation.create(config)
    web.router.routes.extend(survey_routes(database, texts, config, scorer))
    web.router.routes.extend(api_routes(database, voice, config))
    web.router.routes.extend([*health_routes(app), *metrics_routes(app), *routes])
    web.router.routes.extend(desk_routes(database, voice, config, app.translator))
    return app
