"""One message, start to end, inside one transaction."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot import asides, attachments, handovers, questionnaire
from bot.config import Settings
from bot.contracts import (
    Author,
    Button,
    Inbound,
    Kind,
    LanguageGuess,
    OrderBackend,
    Owner,
    Param,
    Recognizer,
    Reply,
    TextKey,
)
from bot.dialogue import Dialogue, resolve_choice
from bot.domain import Domain
from bot.hearing import Heard, Held, Listener
from bot.inbox import TOPIC
from bot.language_choice import choose_language
from bot.metrics import BUTTON, UNDERSTOOD, Metrics
from bot.outbox import Voice, post
from bot.services import callbacks, handoff, surveys, tickets
from bot.services.customers import is_verified
from bot.state import ActionSpec, Outcome, Run, State, Step, Turn
from bot.storage import Database, now, signal
from bot.storage.database import described
from bot.storage.models import Conversation, Inbox, InboxStatus
from bot.texts import Texts, joined
from bot.transcript import transcript_row

log = logging.getLogger(__name__)

# An action may lead to another (a number given alone leads to its ticket); never round in a circle.
MAX_RUNS = 5
SPOKEN = frozenset({"voice", "audio"})
# What the transcript of a location begins with, see Inbound.shown.
PIN = "📍"
# Answers that only say that nothing was understood; to a foreign language there is a better one.
NOT_UNDERSTOOD = frozenset({"utter_fallback", "utter_clarify", "utter_out_of_scope", "utter_empty"})
# Answers that help with nothing: to be said again, in other words or another language, or to somebody else.
GIVEN_UP = NOT_UNDERSTOOD - {"utter_empty"} | {"utter_offer_person", "utter_languages_spoken"}

# What the bot does for a customer by itself, so that they can say how easy it was.
SERVING = frozenset(
    {
        *("track_order", "list_orders", "cancel_order", "refund_status", "ticket_status"),
        *("ask_shipping", "ask_payment_methods", "ask_return_policy", "ask_product", "ask_discount"),
    }
)


# Built once, because building them anew takes longer than SQLite takes to answer them.
# A conversation, and the first event that waits in it; nothing where another process has either.
_NEXT = (
    select(Conversation, Inbox.id, Inbox.received_at, Inbox.due_at, Inbox.event)
    .join(Inbox, Inbox.conversation_id == Conversation.id)
    .where(Conversation.id == bindparam("conversation"), Inbox.status == InboxStatus.PENDING)
    .order_by(Inbox.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_DONE = (
    update(Inbox)
    .where(Inbox.id == bindparam("handled"))
    .values(status=InboxStatus.DONE, handled_at=bindparam("moment"), error="")
)


@dataclass(slots=True)
class Context:
    """What an action works with. It reads and changes the database; it never sends."""

    intent: str
    session: AsyncSession
    conversation: Conversation
    settings: Settings
    orders: OrderBackend
    slots: Mapping[str, str]
    decision: str
    text: str
    language: str
    files_dir: Path
    knowledge: Mapping[str, Any]
    state: State
    # For what is written into a file; whatever is said is a Reply.
    texts: Texts
    # What hands a conversation over that was found in this message, and how it sounds; see bot.handovers.
    triggers: frozenset[str] = frozenset()
    sentiment: float | None = None
    scorer: Callable[[str, str], float] | None = None

    @property
    def verified(self) -> bool:
        """Whether the chat is linked to a customer now."""
        return is_verified(self.conversation)

    def sounds(self, text: str) -> float | None:
        """How a text sounds, between -1 and 1; None where there is none, or nobody looks."""
        return self.scorer(text, self.language) if self.scorer is not None and text.strip() else None

    def confirmation(self, key: str, params: Mapping[str, Param], yes: str, no: str) -> Outcome:
        """Ask for a yes or no; the buttons hold for this very question only."""
        buttons = tuple(
            Button(TextKey(title), f'/{intent}{{"choice": "{self.state.turn}"}}')
            for title, intent in ((yes, "affirm"), (no, "deny"))
        )
        return Outcome((Reply(key, params, buttons),), confirm=True)


Action: TypeAlias = Callable[[Context], Awaitable[Outcome]]
Prompt: TypeAlias = Callable[[Context, str], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Actions:
    """All actions by intent, what the dialogue must know of them, and how slots are asked for."""

    run: Mapping[str, Action] = field(default_factory=dict)
    specs: Mapping[str, ActionSpec] = field(default_factory=dict)
    prompts: Mapping[str, Prompt] = field(default_factory=dict)


class Engine:
    """Handles the messages of all conversations.

    Args:
        database: where everything is.
        recognizer: intents, entities and language.
        voice: words and outbox.
        domain: forms.
        actions: what intents do.
        settings: all settings.
        files_dir: where exports are written.
        knowledge: answers to general questions by language and intent.
        orders: makes the order backend of one transaction.
        sentiment: how a text in a language sounds, between -1 and 1; None: nobody looks.
        metrics: where it is counted what was answered.
    """

    def __init__(
        self,
        database: Database,
        recognizer: Recognizer,
        voice: Voice,
        domain: Domain,
        actions: Actions,
        settings: Settings,
        files_dir: Path,
        knowledge: Mapping[str, Mapping[str, Any]],
        orders: Callable[[AsyncSession], OrderBackend],
        sentiment: Callable[[str, str], float] | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._database = database
        self._listener = Listener(database, recognizer, settings.shop)
        self._voice = voice
        self._domain = domain
        self._actions = actions
        self._settings = settings
        self._files_dir = files_dir
        self._knowledge = knowledge
        self._orders = orders
        self._sentiment = sentiment
        self._metrics = metrics or Metrics()
        self._dialogue = Dialogue(
            domain, actions.specs, settings.recognizer, settings.dialogue, settings.shop.order_number_pattern
        )

    def warm_up(self, language: str) -> None:
        """Load what is otherwise loaded while the first customer who speaks a language waits; in any thread."""
        self._voice.texts.warm_up(language)
        if self._sentiment is not None:
            self._sentiment("", language)

    def anticipate(self, event: Inbound) -> None:
        """Begin to understand an event that is about to be committed: the disk is slower than the recogniser."""
        self._listener.anticipate(event)

    async def understand(self, event: Inbound, held: Held | None = None) -> Heard:
        """What an event says, with what is known of its conversation; needs no transaction and may take its time."""
        return await self._listener.understand(event, held)

    async def handle(self, conversation_id: int, inbox_id: int, heard: Heard) -> bool:
        """Handle one event, if it is still the next of its conversation.

        State, business changes and replies are committed together, or, on an exception, not at all.

        Returns:
            False when there was nothing to do: someone else has it, an earlier one comes first, or it
            is not due yet.
        """
        async with self._database.begin() as session:
            found = await session.execute(_NEXT, {"conversation": conversation_id})
            row: Any = found.one_or_none()
            if row is None or row.id != inbox_id:
                return False
            if row.due_at > now() or Inbound.from_json(row.event) != heard.event:
                # Another process has just failed on it: its next try has its time. Or the customer has
                # changed it since it was read.
                return False
            answered = await self._converse(session, row.Conversation, row, heard)
            self._listener.note(heard.event, row.Conversation.language)
            await (await session.connection()).execute(_DONE, {"handled": inbox_id, "moment": now()})
            # Whoever works here looks for the next one by itself.
            signal(session, f"inbox:{inbox_id}")
        if answered:
            given_up = [key.removeprefix("utter_") for key in answered if key in GIVEN_UP]
            outcome = given_up[0] if given_up else BUTTON if heard.pressed else UNDERSTOOD
            language = self._voice.language(row.Conversation)
            self._metrics.answered(row.Conversation.channel, language, row.received_at, outcome)
        return True

    async def give_up(self, inbox_id: int, reason: str) -> None:
        """Put an event that cannot be handled aside, say so to the customer, and let the next one through.

        Where even the words for that cannot be had (an event that cannot be read), it is put aside without.
        """
        async with self._database.begin() as session:
            found = await session.scalar(select(Inbox.conversation_id).where(Inbox.id == inbox_id))
            # The conversation first, as `handle` does: whoever is handling the event now has it to the end.
            conversation = await session.get_one(Conversation, found, with_for_update=True)
            row = await session.get_one(Inbox, inbox_id, with_for_update=True)
            if row.status is not InboxStatus.PENDING:
                return
            row.status, row.error, row.handled_at = InboxStatus.DEAD, reason, now()
            signal(session, f"inbox:{row.id}", TOPIC)
            await session.flush()
            try:
                async with session.begin_nested():
                    said = transcript_row(conversation, row, Inbound.from_json(row.event), None)
                    rendered = []
                    if conversation.owner is Owner.BOT:
                        language = self._voice.language(conversation)
                        rendered.append(self._voice.texts.render(Reply("utter_error"), language))
                    await post(session, conversation, rendered, Author.BOT, inbox_id=row.id, transcript=[said])
            except Exception as error:
                log.error("nothing can be said about message %d: %s", inbox_id, described(error))

    # ------------------------------------------------------------------ inside the transaction

    async def _converse(self, session: AsyncSession, conversation: Conversation, row: Inbox, heard: Heard) -> list[str]:
        event = heard.event
        if event.kind is not Kind.MESSAGE:
            said = transcript_row(conversation, row, event, None)
            await asides.handle(session, self._voice, conversation, event, said, self._settings)
            return []
        conversation.name = event.name or conversation.name
        conversation.locale = event.locale or conversation.locale
        conversation.unreachable_at = None
        if conversation.owner is not Owner.BOT and not await self._rather_called(session, conversation, heard):
            # Read under the lock: a person has this conversation, so the bot is silent.
            await self._listen(session, conversation, row, heard)
            return []
        state = State.from_json(conversation.state)
        if not heard.pressed and (payload := await self._chosen(session, conversation, state, heard)):
            heard = await self._listener.choice(event, payload)
        guess = heard.parse.language if not heard.pressed else LanguageGuess("", 0.0)
        state = self._settle_language(conversation, state, guess, event.text)
        feeling = self._feeling(conversation, heard)
        said = transcript_row(conversation, row, event, heard.parse, feeling)
        ticket = None
        if event.attachments:
            kept = await attachments.keep(session, conversation, event, said)
            if state.task is None and not event.text.strip():
                ticket = await tickets.attach(session, conversation, kept)
        turn = Turn(
            heard.parse,
            heard.pressed,
            len(event.attachments),
            is_verified(conversation),
            voice=not event.text.strip() and bool(event.attachments) and {a.kind for a in event.attachments} <= SPOKEN,
            slots=event.slots,
            triggers=await handovers.suspected(
                session, conversation, self._settings, heard.parse, feeling, pressed=heard.pressed
            ),
            sentiment=feeling,
        )
        if event.group and await asides.is_rest(session, conversation, row.id, event):
            # The rest of an album whose beginning was answered: kept, and not answered once more.
            step, replies = Step(state), []
        elif ticket is not None:
            step, replies = Step(state), [Reply("utter_file_attached", {"ticket": ticket.number})]
        elif event.shown and not event.text.strip() and not event.attachments:
            step, replies = Step(state), [Reply("utter_location" if event.shown.startswith(PIN) else "utter_empty")]
        else:
            step, replies = await self._play(session, conversation, state, turn)
        state = step.state
        foreign = guess.foreign and not guess.language
        if foreign and not heard.pressed and not event.attachments:
            replies = self._foreign(conversation, replies)
        if said["parse"]:
            # For the figures: how sure the recogniser was does not say whether anything came of it.
            said["parse"]["fallback"] = any(reply.key in GIVEN_UP for reply in replies)
        language = self._voice.language(conversation)
        rendered = joined([self._voice.texts.render(reply, language, state.turn) for reply in replies])
        offered = [button for message in rendered for button in (*message.buttons, *message.quick_replies)]
        state = replace(state, buttons=tuple((button.title, button.payload) for button in offered))
        conversation.state = state.to_json()
        await post(
            session,
            conversation,
            rendered,
            Author.BOT,
            inbox_id=row.id,
            transcript=[] if event.attachments else [said],
            reply_to=event.message_id if rendered else "",
        )
        return [reply.key for reply in replies]

    async def _listen(self, session: AsyncSession, conversation: Conversation, row: Inbox, heard: Heard) -> None:
        """Keep what is said to a person; nothing is answered."""
        event = heard.event
        said = transcript_row(conversation, row, event, heard.parse, self._feeling(conversation, heard))
        await post(session, conversation, [], Author.CUSTOMER, transcript=[] if event.attachments else [said])
        if event.attachments:
            await attachments.keep(session, conversation, event, said)
        if heard.pressed:
            await asides.rate(session, conversation, heard.parse, self._settings)

    async def _chosen(self, session: AsyncSession, conversation: Conversation, state: State, heard: Heard) -> str:
        """The payload of the button that was typed instead of pressed, or of a rating in other words; else ``""``."""
        if handovers.cries_for_help(self._settings, heard.event.text):
            return ""
        language = self._voice.language(conversation)
        return resolve_choice(state, heard.event.text) or await questionnaire.typed_rating(
            session, conversation, state, heard.parse, language
        )

    def _settle_language(self, conversation: Conversation, state: State, guess: LanguageGuess, text: str) -> State:
        language, state, reason = choose_language(
            state,
            conversation.language,
            guess,
            match_language(conversation.locale, self._settings.languages),
            self._settings.shop.default_language,
            self._settings.dialogue.language_switch,
            text,
        )
        if language != conversation.language:
            conversation.language, conversation.language_reason = language, reason[:200]
        return state

    @staticmethod
    def _foreign(conversation: Conversation, replies: list[Reply]) -> list[Reply]:
        """To a message in a language that is not spoken here: say which ones are, and what was done."""
        understood = [reply for reply in replies if reply.key not in NOT_UNDERSTOOD]
        if conversation.owner is not Owner.BOT or (understood and understood[0].key == "utter_ticket_opened"):
            return understood
        return [Reply("utter_languages_spoken"), *understood]

    async def _play(
        self, session: AsyncSession, conversation: Conversation, state: State, turn: Turn
    ) -> tuple[Step, list[Reply]]:
        """Step, run actions, step again, until there is something to wait for."""
        before, run = state, None
        step = self._dialogue.step(state, turn)
        replies = list(step.replies)
        for _ in range(MAX_RUNS):
            if step.run is None:
                break
            run = step.run
            context = self._context(session, conversation, step.state, run, turn)
            outcome = await self._actions.run.get(run.intent, _say_only(run.intent, self._domain))(context)
            turn = replace(turn, verified=is_verified(conversation))
            done = run.intent in SERVING and not (outcome.ask or outcome.confirm or outcome.start)
            if done and conversation.owner is Owner.BOT:
                await surveys.served(session, conversation, self._settings.surveys)
            step = self._dialogue.after(context.state, run, outcome, turn)
            replies += step.replies
        if step.ask:
            task = step.state.task
            asking = Run(task.intent if task else "", task.slots if task else {})
            context = self._context(session, conversation, step.state, asking, turn)
            prompt = self._actions.prompts.get(step.ask)
            asked = await prompt(context, asking.intent) if prompt else Reply(f"utter_ask_{step.ask}")
            replies.append(replace(asked, asks=step.ask))
        if conversation.owner is Owner.BOT and handovers.UNHAPPY in turn.triggers:
            step, replies = await handovers.after_message(
                session, conversation, self._settings, before, turn.parse, step, replies
            )
        if conversation.owner is not Owner.BOT and (began := await handoff.current(session, conversation.id)):
            await handovers.summarise(session, conversation, began, before, parse=turn.parse, tried=run)
        return step, replies

    def _context(
        self, session: AsyncSession, conversation: Conversation, state: State, run: Run, turn: Turn
    ) -> Context:
        language = self._voice.language(conversation)
        return Context(
            intent=run.intent,
            session=session,
            conversation=conversation,
            settings=self._settings,
            orders=self._orders(session),
            slots=run.slots,
            decision=run.decision,
            text=turn.parse.text,
            language=language,
            files_dir=self._files_dir,
            knowledge=self._knowledge.get(language) or self._knowledge.get(self._settings.shop.default_language) or {},
            state=state,
            texts=self._voice.texts,
            triggers=turn.triggers,
            sentiment=turn.sentiment,
            scorer=self._sentiment,
        )

    def _feeling(self, conversation: Conversation, heard: Heard) -> float | None:
        """How typed words sound; None for what is not typed, or where nobody looks."""
        if self._sentiment is None or heard.pressed or not heard.event.text.strip():
            return None
        return self._sentiment(heard.event.text, self._voice.language(conversation))

    async def _rather_called(self, session: AsyncSession, conversation: Conversation, heard: Heard) -> bool:
        """Whether a waiting customer has chosen to be called; then the bot has the conversation again."""
        if conversation.owner is not Owner.QUEUE:
            return False
        asked = handovers.wanted_call(conversation.state, heard.event.text, heard.parse, pressed=heard.pressed)
        return asked is not None and await callbacks.call_instead(session, conversation, asked, self._settings)


def match_language(locale: str, languages: tuple[str, ...]) -> str:
    """The configured language that best fits a locale, or ``""``.

    Chinese locales are told apart by script or, where only the country is given, by the script
    that is written there.
    """
    if not locale:
        return ""
    parts = locale.replace("_", "-").split("-")
    tag, rest = parts[0].lower(), {part.lower() for part in parts[1:]}
    if tag == "zh":
        traditional = bool(rest & {"hant", "tw", "hk", "mo"})
        tag = "zh-Hant" if traditional else "zh-Hans"
    return tag if tag in languages else ""


def _say_only(intent: str, domain: Domain) -> Action:
    """The action of an intent that has none: the domain's ``utter_<intent>``."""

    async def say(_context: Context) -> Outcome:
        key = f"utter_{intent}"
        return Outcome((Reply(key if key in domain.responses else "utter_fallback"),))

    return say
