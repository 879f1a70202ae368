"""How simulated customers behave: they see what the bot shows them, and answer what it asks."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from bot.contracts import Address, Author, Inbound, OutButton, Outgoing, Owner
from bot.simulation import judgement, phrases
from bot.simulation.cast import Person
from bot.simulation.judgement import Experience
from bot.simulation.seasons import Visit
from bot.simulation.world import Seen, World

MAX_TURNS = 12
# What is asked a second time belongs to no incident.
AGAIN = "again"
# The intent that a button should carry, where the bot asks what was meant.
INTENTS = {"ask_payment": "ask_payment_methods", "product_question": "ask_product", "ask_human": "talk_to_human"}
TYPES = {"missing": "missing_item"}
# Some ask again about something else.
SMALL = ("ask_shipping", "ask_return_policy", "ask_payment", "product_question")
# Who gets nothing done by the bot wants a person sooner or later.
_GIVE_UP = 0.45


@dataclass(slots=True)
class Talk:
    """What one customer is at: a visit, what it has come to, and the message they are about to write."""

    person: Person
    conversation_id: int = 0
    visit: Visit | None = None
    key: str = ""
    turns: int = 0
    lost: int = 0
    # What an agent's last words were for; see bot.simulation.office.
    told: str = ""
    written_at: datetime | None = None
    lived: Experience | None = None
    pending: int = 0
    done: bool = True
    wrote: int = 0
    asked: set[str] = field(default_factory=set)


Say = tuple[str, str]


class Crowd:
    """All customers.

    Args:
        world: the simulated time.
        people: who they are.
        look_up: by a survey's id what made it leave (``trigger``) and whether its order came ``late``.
    """

    def __init__(self, world: World, people: list[Person], look_up: Callable[[int], Awaitable[Any]]) -> None:
        self._world = world
        self._look_up = look_up
        self.talks = {address(person).channel + address(person).key: Talk(person) for person in people}
        self.by_number = {talk.person.number: talk for talk in self.talks.values()}
        self.by_conversation: dict[int, Talk] = {}
        self.visits = 0

    # ------------------------------------------------------------------ writing

    async def begin(self, visit: Visit) -> None:
        """Somebody begins to write."""
        self.visits += 1
        talk = self.by_number[visit.person.number]
        talk.visit, talk.key, talk.turns, talk.lost, talk.told, talk.done = visit, visit.key, 0, 0, "", False
        talk.asked = set()
        carrier = visit.key in ("complaint_late", "complaint_not_delivered") or visit.of == "carrier"
        product = visit.key in ("complaint_damaged", "complaint_quality", "complaint_wrong_item", "complaint_missing")
        talk.lived = Experience(visit.at, carrier=carrier, product=product)
        if visit.person.chance.random() < 0.18:
            await self._write(talk, (self._line(talk, "greet"), ""))
            self._soon(talk, lambda: (self._line(talk, visit.key), ""), 20, 60)
        else:
            await self._write(talk, (self._line(talk, visit.key), ""))

    async def complains(self, talk: Talk) -> None:
        """Somebody writes days after that it is still not solved."""
        talk.key, talk.turns, talk.lost, talk.told, talk.done = "not_solved", 0, 0, "", False
        await self._write(talk, (self._line(talk, "not_solved"), ""))

    def _line(self, talk: Talk, key: str) -> str:
        person, visit = talk.person, talk.visit
        spoken = phrases.load(person.language)
        if visit is None:
            return spoken.say(key, person.chance)
        name = spoken.lines["products"][visit.product]
        order = visit.order.number if visit.order is not None else ""
        carrier = person.place.carrier if visit.order is not None else ""
        return spoken.say(key, person.chance, order=order, product=name, carrier=carrier)

    async def _write(self, talk: Talk, said: Say) -> None:
        text, payload = said
        talk.wrote += 1
        talk.turns += 1
        talk.written_at = self._world.moment
        person = talk.person
        number = f"sim-{person.number}-{talk.wrote}"
        event = Inbound(number, address(person), text, payload, locale=locale_of(person), name=person.name)
        await self._world.says(replace(event, message_id=number))

    def _soon(self, talk: Talk, said: Callable[[], Say], least: float, most: float) -> None:
        """Have somebody write after so many seconds, unless they write something else before."""
        talk.pending += 1
        mine = talk.pending

        async def write() -> None:
            if talk.pending == mine:
                await self._write(talk, said())

        seconds = talk.person.chance.triangular(least, most, least + (most - least) / 4)
        self._world.at(self._world.moment + timedelta(seconds=seconds), write)

    # ------------------------------------------------------------------ reading

    async def got(self, seen: Seen) -> None:
        """Something has come."""
        first = seen.messages[0].address
        talk = self.talks.get(first.channel + first.key)
        if talk is None:
            return
        talk.conversation_id = seen.conversation_id
        self.by_conversation[seen.conversation_id] = talk
        for message in seen.messages:
            if message.author is Author.SURVEY:
                await self._asked(talk, message)
        authors, task = {message.author for message in seen.messages}, seen.state.task
        if Author.AGENT in authors:
            self._to_agent(talk)
        elif task is not None and task.intent in ("answer_survey", "survey_comment") and "survey" in task.slots:
            # What is said now is about the survey; see _answer.
            return
        elif Author.BOT in authors and not talk.done:
            self._to_bot(talk, seen)

    def _to_agent(self, talk: Talk) -> None:
        chance = talk.person.chance
        told, talk.told = talk.told, ""
        if told == "ask":
            if chance.random() < 0.9:
                self._soon(talk, lambda: (self._line(talk, "detail"), ""), 60, 600)
        elif told in ("solved", "unsolved"):
            key = "ok_solution" if told == "solved" and chance.random() < 0.92 else "not_ok"
            if chance.random() < 0.85:
                self._soon(talk, lambda: (self._line(talk, key), ""), 40, 900)
        elif told == "follow_up" and chance.random() < 0.65:
            key = "detail" if chance.random() < 0.6 else "not_ok"
            self._soon(talk, lambda: (self._line(talk, key), ""), 600, 9000)

    def _to_bot(self, talk: Talk, seen: Seen) -> None:
        chance = talk.person.chance
        if seen.owner is not Owner.BOT:
            talk.done = True
            if chance.random() < 0.2:
                self._chase(talk)
            return
        if talk.turns >= MAX_TURNS:
            self._leave(talk, solved=False)
            return
        buttons = tuple(button for message in seen.messages for button in message.choices)
        task, state = seen.state.task, seen.state
        if state.failed or state.offered:
            self._misunderstood(talk, buttons)
        elif task is not None and task.confirming:
            yes = _carrying(buttons, "/affirm")
            self._soon(talk, _press(yes) if yes else lambda: (self._line(talk, "yes"), ""), 8, 60)
        elif task is not None and task.asking:
            self._soon(talk, lambda: self._slot(talk, task.asking, buttons), 10, 120)
        elif (meant := _meant(buttons, talk.key)) is not None:
            self._soon(talk, _press(meant), 6, 40)
        elif any(button.payload == "/ask_help" for button in buttons) and len(buttons) == 3:
            self._misunderstood(talk, buttons)
        else:
            self._served(talk)

    def _chase(self, talk: Talk) -> None:
        self._soon(talk, lambda: (self._line(talk, "chase"), ""), 500, 2400)

    def _misunderstood(self, talk: Talk, buttons: tuple[OutButton, ...]) -> None:
        """Said again in other words, a person asked for, or gone."""
        chance = talk.person.chance
        talk.lost += 1
        if talk.lived is not None:
            talk.lived = judgement.after(talk.lived, lost=talk.lost)
        person = _carrying(buttons, "/talk_to_human")
        if person is not None and (talk.lost >= 2 or chance.random() < _GIVE_UP):
            self._soon(talk, _press(person), 6, 50)
        elif talk.lost >= 3 or chance.random() < 0.2:
            self._leave(talk, solved=False)
        else:
            again = talk.key if talk.key not in ("off_topic",) and chance.random() < 0.6 else "rephrase"
            self._soon(talk, lambda: (self._line(talk, again), ""), 10, 90)

    def _served(self, talk: Talk) -> None:
        """The bot has done what it could: thanks, something else, or silence."""
        chance = talk.person.chance
        if chance.random() < 0.1 and talk.key != "ask_human":
            talk.key = chance.choice(SMALL)
            self._soon(talk, lambda: (self._line(talk, talk.key), ""), 20, 240)
            return
        self._leave(talk, solved=True)
        if talk.key == "track_order" and chance.random() < 0.08:
            self._return(talk)
        if chance.random() < 0.5:
            self._soon(talk, lambda: (self._line(talk, "thanks" if chance.random() < 0.75 else "bye"), ""), 8, 90)

    def _leave(self, talk: Talk, *, solved: bool) -> None:
        talk.done = True
        talk.pending += 1
        if talk.lived is not None and not solved:
            talk.lived = judgement.after(talk.lived, solved=False)
        if not solved and talk.person.chance.random() < 0.4:
            self._return(talk)

    def _return(self, talk: Talk) -> None:
        """Somebody asks the same again in the next days, once."""
        visit = talk.visit
        if visit is None or visit.of == AGAIN:
            return
        at = self._world.moment + timedelta(hours=talk.person.chance.uniform(5, 60))
        self._world.at(at, partial(self.begin, replace(visit, at=at, of=AGAIN)))

    def _slot(self, talk: Talk, slot: str, buttons: tuple[OutButton, ...]) -> Say:
        """The answer to what the bot asks for; no thanks, where there is nothing to say."""
        person, visit = talk.person, talk.visit
        chance, again = person.chance, slot in talk.asked
        talk.asked.add(slot)
        order = visit.order if visit is not None else None
        if slot == "order_number" and order is not None and (again or chance.random() < 0.97):
            return order.number, ""
        if slot == "contact":
            return (person.email if again or chance.random() < 0.93 else f"mail-{person.number}@example.org"), ""
        if slot == "complaint_type":
            kind = talk.key.removeprefix("complaint_")
            button = _carrying(buttons, f'"{TYPES.get(kind, kind)}"') or _carrying(buttons, '"other"')
            return _press(button)() if button is not None else (self._line(talk, talk.key), "")
        if slot == "callback_phone":
            return person.phone, ""
        if slot in ("details", "description") and chance.random() < 0.85:
            return self._line(talk, "detail"), ""
        if slot == "rating":
            return str(judgement.judge(person, 5, talk.lived or Experience(self._world.moment), _of(person)).score), ""
        no = _carrying(buttons, "/deny")
        return _press(no)() if no is not None and chance.random() < 0.5 else (self._line(talk, "skip"), "")

    # ------------------------------------------------------------------ surveys

    async def _asked(self, talk: Talk, message: Outgoing) -> None:
        """A survey has come, or its reminder: whether, when and how it is answered."""
        person, chance = talk.person, talk.person.chance
        choices = [_rating(button) for button in message.buttons]
        numbers = {
            int(rating): button
            for (rating, _), button in zip(choices, message.buttons, strict=True)
            if rating.isdecimal()
        }
        if not numbers:
            return
        survey = choices[0][1]
        reminded = f"survey:{survey}" in talk.asked
        talk.asked.add(f"survey:{survey}")
        about = await self._look_up(int(survey))
        lived = judgement.recalled(person, talk.lived, self._world.moment)
        if about.trigger == "order_delivered":
            lived = Experience(self._world.moment, carrier=about.late, missed=about.late and chance.random() < 0.5)
        elif about.trigger == "again":
            better = chance.random() < 0.75
            lived = judgement.after(lived, recovered=better, missed=False, solved=lived.solved or better)
        willing = judgement.answers(person, max(numbers), lived)
        if (reminded and chance.random() < 0.6) or not willing:
            if willing is False and chance.random() < judgement.NOT_NOW:
                self._later(talk, _press(message.buttons[-1]), 60, 3600)
            return
        given = judgement.judge(person, max(numbers), lived, _of(person))
        late = about.trigger != "quarterly" and chance.random() < judgement.LATE
        words = max(numbers) == 5 and (late or chance.random() < judgement.IN_WORDS)
        if words:
            spelled = judgement.WORDS.get(person.language, judgement.WORDS["en"])[given.score - 1]
            rated: Callable[[], Say] = lambda: (spelled, "")  # noqa: E731 (a closure, as the others here)
        else:
            rated = _press(numbers[given.score])
        delay = (75 * 3600, 100 * 3600) if late else (40, 16 * 3600) if chance.random() < 0.5 else (20, 1200)
        self._answer(talk, rated, given.comment, *delay)

    def _answer(self, talk: Talk, rated: Callable[[], Say], comment: str, least: float, most: float) -> None:
        chance = talk.person.chance

        async def rate() -> None:
            if not talk.done and self._world.moment - (talk.written_at or self._world.moment) < timedelta(hours=1):
                # In the middle of something else: afterwards.
                self._later(talk, rated, 3600, 7200)
                return
            await self._write(talk, rated())
            talk.turns = 0
            if comment:
                self._later(talk, lambda: (comment, ""), 15, 120)
            elif chance.random() < 0.3:
                self._later(talk, lambda: (_of(talk.person).say("skip", chance), ""), 10, 90)

        seconds = chance.triangular(least, most, least + (most - least) / 6)
        self._world.at(self._world.moment + timedelta(seconds=seconds), rate)

    def _later(self, talk: Talk, said: Callable[[], Say], least: float, most: float) -> None:
        """As :meth:`_soon`, whatever else is written before."""

        async def write() -> None:
            await self._write(talk, said())

        seconds = talk.person.chance.uniform(least, most)
        self._world.at(self._world.moment + timedelta(seconds=seconds), write)


def _of(person: Person) -> phrases.Phrases:
    return phrases.load(person.language)


def address(person: Person) -> Address:
    """Where somebody writes: ids that no platform gives, so that nobody is ever written to by mistake."""
    number = f"sim-{person.number:05d}"
    return Address(person.channel, number, number)


def locale_of(person: Person) -> str:
    """What the platform says of somebody's language; WhatsApp says nothing."""
    language, country = person.language, person.place.country
    if person.channel == "whatsapp":
        return ""
    return (
        language.partition("-")[0]
        if person.channel == "telegram" and language != "zh-Hans"
        else f"{language}-{country}"
    )


def _press(button: OutButton) -> Callable[[], Say]:
    return lambda: (button.title, button.payload)


def _carrying(buttons: tuple[OutButton, ...], part: str) -> OutButton | None:
    return next((button for button in buttons if part in button.payload), None)


def _meant(buttons: tuple[OutButton, ...], key: str) -> OutButton | None:
    """The button of "did you mean" that names what somebody wants."""
    intent = "open_complaint" if key.startswith("complaint_") else INTENTS.get(key, key)
    offered = [button for button in buttons if button.payload in (f"/{intent}", f"/{intent}{{}}")]
    return offered[0] if len(buttons) <= 4 and offered else None


def _rating(button: OutButton) -> tuple[str, str]:
    """What a survey's button stands for, and the survey."""
    carried = json.loads(button.payload.removeprefix("/inform"))
    return str(carried["rating"]), str(carried["survey"])
