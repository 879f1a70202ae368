"""What to do next in a conversation: slots, corrections, digressions, confirmations.

Pure: a state and what was understood go in, a new state and what to say or do come out. Nothing
here waits, reads a clock or knows a channel. The engine runs the action that a :class:`Step` names
and hands its :class:`Outcome` to :meth:`Dialogue.after`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from bot.config import DialogueSettings, RecognizerSettings
from bot.contracts import Button, Parse, Reply, TextKey
from bot.domain import Domain
from bot.patience import asks_to_wait
from bot.state import ActionSpec, Outcome, Run, State, Step, Task, Turn

MAX_STACK = 3
# A first message fills a free-text slot only when it tells something: shorter ones are mere
# announcements ("I want to complain"). Wide characters count twice, as a Chinese sentence has few.
TELLING_LENGTH = 28
# Typed while a free text is asked for, only these mean something else than the text itself …
INTERRUPTING = frozenset({"talk_to_human", "change_language", "deny", "cancel_order"})
# … but a comment after a rating is nobody's duty: whatever is not praise or thanks is a new subject.
COMMENTING = frozenset({"thank", "affirm", "give_feedback", "goodbye", "greet", "inform", "out_of_scope", ""})
FREE_TEXT = frozenset({"description", "details", "comment"})
# Kept from one question to the next only while it is being proved: a yes must not prove anything anew.
PROOF = ("contact", "tried", "tried_for")
# A yes to something irreversible is short and asks nothing back.
YES_LENGTH = 30
# "It doesn't fit" may be a reason as well as a refusal: as free text it is one unless this sure.
SURE_NO = 0.95
# Where a number was asked for, anything with this many digits is one; the recogniser knows fewer notations.
PHONE = re.compile(r"\+?\d(?:[\s().\-/]{0,3}\d){5,17}")
UNCLEAR = frozenset({"out_of_scope", "inform", "affirm", "deny", ""})
WIDE = re.compile(r"[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")


def width(text: str) -> int:
    """The length of a text with wide characters counted twice."""
    return len(text) + len(WIDE.findall(text))


def resolve_choice(state: State, text: str) -> str:
    """The payload of the button whose title or number was typed instead of pressed, or ``""``."""
    typed = text.strip().casefold().rstrip(".!。")
    if not typed:
        return ""
    for title, payload in state.buttons:
        if title.casefold() == typed:
            return payload
    # Where the titles are numbers themselves (a rating from 0 to 10), a number is no place in the list.
    numbers = any(title.isdecimal() and len(title) <= 2 for title, _ in state.buttons)
    if typed.isdecimal() and not numbers and 1 <= int(typed) <= len(state.buttons):
        return state.buttons[int(typed) - 1][1]
    return ""


class Dialogue:
    """The rules of turn-taking for one domain.

    Args:
        domain: forms and slots.
        actions: what is known of each intent's action.
        recognition: the thresholds.
        settings: turn-taking.
        order_pattern: the merchant's order numbers.
    """

    def __init__(
        self,
        domain: Domain,
        actions: Mapping[str, ActionSpec],
        recognition: RecognizerSettings,
        settings: DialogueSettings,
        order_pattern: str,
    ) -> None:
        self._domain = domain
        self._actions = actions
        self._recognition = recognition
        self._settings = settings
        self._order = re.compile(order_pattern, re.IGNORECASE)

    # ------------------------------------------------------------------ a message comes in

    def step(self, state: State, turn: Turn) -> Step:
        """What to do about one message of the customer."""
        state = replace(state, turn=state.turn + 1)
        intent, parse = turn.parse.intent, turn.parse
        if "distress" in turn.triggers:
            return self._to_person(state, turn, "distress")
        if turn.pressed and (token := "".join(parse.values("choice")[-1:])):
            if state.task is None or not state.task.confirming or state.task.token != token:
                return Step(state, (Reply("utter_choice_gone"),))
        if turn.voice:
            return Step(state, (Reply("utter_voice"),), ask=state.task.asking if state.task else "")
        if turn.slots and turn.pressed:
            form = self._domain.form_of(intent)
            filled = {name: value for name, value in turn.slots.items() if name in form}
            if state.task is not None and state.task.intent != intent:
                state = self._paused(state, state.task, turn)
            return self._begin(replace(state, task=None), intent, filled, turn)
        if survey := parse.values("survey"):
            slots = {"survey": survey[-1]}
            if state.task is not None and self._spec(state.task.intent).resumable:
                state = self._pushed(state, state.task)
            return self._begin(replace(state, task=None), "answer_survey", slots, turn)
        if turn.pressed and (call := parse.values("callback")):
            if state.task is not None and self._spec(state.task.intent).resumable:
                state = self._pushed(state, state.task)
            # The action says first whether there is a call to arrange, and then asks for the number.
            run = Run("request_callback", {"callback": call[-1]})
            return Step(replace(state, task=None, failed=0, offered=False), run=run)
        if state.offered and intent in ("affirm", "deny") and not parse.values("choice"):
            state = replace(state, offered=False, failed=0)
            if intent == "affirm":
                return self._begin(state, "talk_to_human", {}, turn)
            if state.task is not None:
                return self._proceed(state, state.task, turn)
        if state.task is not None and self._waits(state.task, turn):
            return Step(replace(state, failed=0), (Reply("utter_take_your_time"),))
        if state.task is not None and state.task.confirming:
            return self._confirming(state, state.task, turn)
        if state.task is not None and state.task.asking:
            if "unhappy" in turn.triggers and self._complains(state.task.intent):
                told = self._told(state.task, self._filled(state.task, turn), parse)
                return self._proceed(state, told, turn)
            return self._answering(state, state.task, turn)
        return self._fresh(state, turn)

    def _understood(self, turn: Turn) -> bool:
        return turn.pressed or (
            turn.parse.confidence >= self._recognition.threshold and turn.parse.intent not in ("", "out_of_scope")
        )

    def _waits(self, task: Task, turn: Turn) -> bool:
        """Whether the answer to a question is still to come: that is neither a no nor an answer."""
        parse = turn.parse
        another = parse.intent not in UNCLEAR and parse.confidence >= self._recognition.sure
        free = bool(task.asking) and self._takes_text(task, task.asking)
        return not turn.pressed and not another and asks_to_wait(parse.text, begun=not free)

    def _confirming(self, state: State, task: Task, turn: Turn) -> Step:
        parse = turn.parse
        filled = self._filled(task, turn, correcting=True)
        changed = {name: value for name, value in filled.items() if name in task.slots and task.slots[name] != value}
        if changed and not self._other_task(task, turn):
            return self._proceed(state, replace(task, slots=task.slots | filled, confirming=False), turn)
        if not self._understood(turn):
            return self._not_understood(state, turn)
        if parse.intent == "deny":
            return Step(replace(state, failed=0), run=Run(task.intent, task.slots, "no"))
        if parse.intent == "affirm":
            hesitant = width(parse.text) > YES_LENGTH or "?" in parse.text or "？" in parse.text
            if turn.pressed or not (task.stale or hesitant):
                return Step(replace(state, failed=0), run=Run(task.intent, task.slots, "yes"))
            return self._again(state, task)
        if parse.intent in ("inform", task.intent):
            return self._again(state, replace(task, slots=task.slots | filled))
        return self._begin(self._paused(state, task, turn), parse.intent, {}, turn)

    @staticmethod
    def _again(state: State, task: Task) -> Step:
        """Have the confirmation asked for once more, now as the last thing that was said."""
        task = replace(task, confirming=False, stale=False)
        return Step(replace(state, task=task, failed=0), run=Run(task.intent, task.slots))

    def _answering(self, state: State, task: Task, turn: Turn) -> Step:
        slot, parse = task.asking, turn.parse
        if self._takes_text(task, slot) and parse.text.strip() and not turn.pressed:
            said = replace(task, slots=task.slots | {slot: parse.text.strip()})
            if not self._interrupts(slot, parse):
                return self._proceed(state, said, turn)
            if slot == "comment" and self._complains(parse.intent):
                # "It came broken twice" says why the rating is low, and is a complaint: it counts as both.
                return self._proceed(state, replace(said, slots=said.slots | {"then": parse.intent}), turn)
        if slot == "photo" and turn.files:
            return self._proceed(state, replace(task, slots=task.slots | {slot: "yes"}), turn)
        other = self._other_task(task, turn)
        filled = {} if other else self._filled(task, turn, correcting=True)
        if filled.keys() & ({slot} | set(self._domain.form_of(task.intent))):
            return self._proceed(state, replace(task, slots=task.slots | filled), turn)
        understood = self._understood(turn)
        if understood and parse.intent == "deny":
            return self._denied(state, task, turn)
        if understood and parse.intent == "goodbye" and parse.confidence >= self._recognition.sure:
            return Step(replace(state, task=None, stack=(), failed=0), run=Run("goodbye", {}))
        if understood and parse.intent == "cancel_order" and task.intent != "cancel_order" and not turn.pressed:
            if not parse.values("order_number") and width(parse.text) <= 12:
                return self._cancelled(state, "utter_cancelled_maybe_order")
        if understood and parse.intent not in ("inform", "affirm", "goodbye", task.intent):
            return self._begin(self._paused(state, task, turn), parse.intent, {}, turn)
        if turn.files and not parse.text.strip():
            return Step(replace(state, photo=True), ask=slot)
        if not parse.text.strip() or turn.pressed:
            return self._invalid(state, task, turn)
        if slot == "complaint_type":
            # Whatever else was said is the story; what kind of complaint it is, a person can tell.
            return self._proceed(state, self._told(task, {slot: "other"}, parse), turn)
        if slot == "photo" and parse.intent != "affirm":
            # Words instead of a photo: more of the story, or an excuse. Neither is lost, nor asked for again.
            return self._proceed(state, self._told(task, {slot: ""}, parse), turn)
        return self._invalid(state, task, turn)

    @staticmethod
    def _told(task: Task, slots: dict[str, str], parse: Parse) -> Task:
        """The task with these slots, and what was said added to the description."""
        story = [task.slots.get("description", "")]
        if parse.intent not in ("inform", "deny"):
            story.append(parse.text.strip())
        told = "\n".join(filter(None, story))
        return replace(task, slots=task.slots | slots | ({"description": told} if told else {}))

    def _interrupts(self, slot: str, parse: Parse) -> bool:
        """Whether words typed where free text is asked for mean something else than the text."""
        if parse.confidence < (SURE_NO if parse.intent == "deny" else self._recognition.sure):
            return False
        if slot == "comment":
            return parse.intent not in COMMENTING
        short = width(parse.text) <= (12 if parse.intent == "cancel_order" else TELLING_LENGTH)
        return parse.intent in INTERRUPTING and short and not parse.values("order_number")

    def _denied(self, state: State, task: Task, turn: Turn) -> Step:
        """ "No" to a question: skipped if it may be, else the end of what was begun."""
        slot = task.asking
        if slot in self._spec(task.intent).optional:
            return self._proceed(state, replace(task, slots=task.slots | {slot: ""}), turn)
        if turn.pressed:
            return Step(state, (Reply("utter_choice_gone"),), ask=slot)
        if slot == "contact" and "hinted" not in task.slots:
            # "I don't have that address any more": there is another way to prove it.
            hinted = replace(task, slots=task.slots | {"hinted": "yes"})
            return Step(replace(state, task=hinted, failed=0), (Reply("utter_other_contact"),))
        return self._cancelled(state, "utter_cancelled_no_proof" if slot in ("order_number", "contact") else "")

    def _fresh(self, state: State, turn: Turn) -> Step:
        parse = turn.parse
        if turn.files and not parse.text.strip() and not turn.pressed:
            return Step(replace(state, failed=0, photo=True), (Reply("utter_file_received"),))
        if not parse.text.strip() and not turn.pressed:
            return Step(state, (Reply("utter_empty"),))
        if self._understood(turn):
            if not turn.pressed and (choices := self._unsure(parse)):
                return self._clarify(state, choices, turn)
            return self._begin(state, parse.intent, {}, turn)
        if any(parse.values(entity) for entity in ("order_number", "ticket_number", "email", "phone")):
            return self._begin(state, "inform", {}, turn)
        if parse.intent == "out_of_scope" and parse.confidence >= self._recognition.threshold:
            failed = state.failed + 1
            if "vip" not in turn.triggers and failed < self._settings.failed_turns:
                return Step(replace(state, failed=failed), run=Run("out_of_scope", {}))
        return self._not_understood(state, turn)

    # ------------------------------------------------------------------ an action has run

    def after(self, state: State, run: Run, outcome: Outcome, turn: Turn) -> Step:
        """What follows an action's outcome."""
        task = state.task
        ours = task is not None and task.intent == run.intent
        if outcome.reset:
            fresh = State(turn=state.turn, language_chosen=state.language_chosen, about=outcome.about or state.about)
            return Step(fresh, outcome.replies)
        state = replace(state, about=outcome.about or state.about)
        if outcome.start is not None:
            intent, slots = outcome.start
            state = self._without_task(state, run.intent)
            if state.task is not None and self._domain.form_of(intent):
                state = self._pushed(state, state.task)
            begun = self._begin(state, intent, dict(slots), turn)
            return replace(begun, replies=outcome.replies + begun.replies)
        if outcome.ask or outcome.confirm:
            clear = outcome.clear + (PROOF if outcome.confirm else ())
            kept = {name: value for name, value in run.slots.items() if name not in clear} | dict(outcome.keep)
            token = str(state.turn) if outcome.confirm else ""
            stale = ours and task is not None and task.stale
            again = Task(run.intent, kept, outcome.ask, outcome.confirm, token, stale)
            return Step(replace(state, task=again), outcome.replies, ask="" if outcome.silent else outcome.ask)
        if ours:
            state = replace(state, task=None, photo=state.photo and "photo" not in run.slots)
        return self._resume(state, outcome.replies, turn)

    def _resume(self, state: State, replies: tuple[Reply, ...], turn: Turn) -> Step:
        """Come back to what was going on before a digression."""
        if state.task is None and state.stack:
            state = replace(state, task=state.stack[-1], stack=state.stack[:-1])
        if state.task is None:
            return Step(state, replies)
        title = TextKey(f"utter_title_{state.task.intent}")
        replies = (*replies, Reply("utter_resume", {"task": title}))
        step = self._proceed(state, replace(state.task, confirming=False, stale=True), turn)
        return replace(step, replies=replies + step.replies)

    # ------------------------------------------------------------------ pieces

    def _spec(self, intent: str) -> ActionSpec:
        return self._actions.get(intent) or ActionSpec(intent)

    def _begin(self, state: State, intent: str, slots: dict[str, str], turn: Turn) -> Step:
        """Start an intent's action, filling what the message already says.

        One that is not to be misunderstood, and is not understood well, is left to a person.
        """
        if intent == turn.parse.intent and "unsure" in turn.triggers:
            return self._to_person(state, turn, "unsure")
        state = replace(state, failed=0, offered=False)
        task = Task(intent, state.carried | slots if turn.pressed else slots)
        known = self._domain.form_of(intent)
        task = replace(task, slots=task.slots | self._filled(task, turn))
        state = replace(state, carried={}, about=task.slots.get("order_number") or state.about)
        spec = self._spec(intent)
        if turn.verified and state.about and "order_number" in known and "order_number" not in spec.optional:
            if "order_number" not in spec.implied and "order_number" not in task.slots:
                # "Can I cancel it?" is about the order just spoken of; the action may still ask which.
                task.slots.update(order_number=state.about, remembered="yes")
        for slot in known:
            mapping = self._domain.slots.get(slot)
            told = turn.parse.text.strip()
            if mapping and intent in mapping.from_text_of and not turn.pressed and width(told) >= TELLING_LENGTH:
                task.slots.setdefault(slot, told)
            if slot == "photo" and (turn.files or state.photo):
                task.slots.setdefault(slot, "yes")
        if not known:
            return Step(state, run=Run(intent, task.slots))
        return self._proceed(state, task, turn)

    def _proceed(self, state: State, task: Task, turn: Turn) -> Step:
        """Ask for the first slot that is missing, or run the action when none is."""
        spec = self._spec(task.intent)
        state = replace(state, failed=0, offered=False)
        if "unhappy" in turn.triggers and self._complains(task.intent):
            # No more questions: a person takes over, with a ticket that has all there is.
            known = {"complaint_type": "other", "order_number": "", "description": turn.parse.text.strip(), "photo": ""}
            task = replace(task, slots=known | task.slots)
        for slot in self._domain.form_of(task.intent):
            if slot in task.slots or (turn.verified and slot in spec.implied):
                continue
            if slot == "contact" and task.slots.get("order_number") == "":
                continue
            if slot == "contact" and task.slots.get("tried_for", number := task.slots.get("order_number")) != number:
                # The number was wrong, it seems: the contact that did not fit it is tried on the new one.
                continue
            return Step(replace(state, task=replace(task, asking=slot, confirming=False)), ask=slot)
        task = replace(task, asking="", confirming=False)
        return Step(replace(state, task=task), run=Run(task.intent, task.slots))

    def _filled(self, task: Task, turn: Turn, *, correcting: bool = False) -> dict[str, str]:
        """The slots of the task that this message gives a value.

        Of several values the first counts; in a correction ("not 100234, 100235") the last.
        """
        parse, filled = turn.parse, {}
        wanted = set(self._domain.form_of(task.intent)) | set(task.slots)
        # Severity colours a complaint wherever it is said; a bare value tells what to ask about next.
        wanted |= {"severity", "order_number"} if not correcting else {"severity"}
        # What a complaint is about is told in any of its messages, and asked for in none.
        wanted |= {"product"} if "description" in wanted and not correcting else set()
        wanted |= {"order_number", "ticket_number", "contact"} if task.intent == "inform" else set()
        wanted |= {"ticket_number"} if task.intent == "ticket_status" else set()
        for name in wanted:
            slot = self._domain.slots.get(name)
            values = [item.value for item in parse.entities if slot and item.entity in slot.entities]
            if values:
                filled[name] = values[-1 if correcting else 0]
        if task.asking == "contact" and "contact" not in filled:
            # A bare national number looks like an order number; here a telephone number was asked for.
            digits = re.sub(r"\D", "", filled.get("order_number", ""))
            if len(digits) >= 8 and re.fullmatch(r"[\d\s+().-]+", filled["order_number"]):
                filled["contact"] = filled.pop("order_number")
        if task.asking == "callback_phone" and "callback_phone" not in filled:
            if match := PHONE.search(parse.text):
                filled["callback_phone"] = match.group()
        if task.asking == "order_number" and "order_number" not in filled:
            if match := self._order.fullmatch(parse.text.strip().strip(".,!?#")):
                filled["order_number"] = match.group().upper()
        return filled

    def _other_task(self, task: Task, turn: Turn) -> bool:
        """Whether the message clearly starts something else than what is going on."""
        parse = turn.parse
        if parse.intent in UNCLEAR or parse.intent == task.intent:
            return False
        return turn.pressed or parse.confidence >= self._recognition.sure

    def _complains(self, intent: str) -> bool:
        """Whether an intent's action is about a ticket that has the customer's story."""
        return "description" in self._domain.form_of(intent)

    def _takes_text(self, task: Task, slot: str) -> bool:
        mapping = self._domain.slots.get(slot)
        return mapping is not None and f"{task.intent}_form" in mapping.from_text_in

    def _without_task(self, state: State, intent: str) -> State:
        if state.task is not None and state.task.intent == intent:
            return replace(state, task=None)
        return state

    def _paused(self, state: State, task: Task, turn: Turn) -> State:
        """Put the present task aside for a digression; one without slots leaves it in place."""
        if not self._spec(task.intent).resumable:
            return replace(state, task=None)
        if not self._domain.form_of(turn.parse.intent):
            return state
        return self._pushed(state, task)

    @staticmethod
    def _pushed(state: State, task: Task) -> State:
        stack = tuple(item for item in state.stack if item.intent != task.intent)
        slots = {name: value for name, value in task.slots.items() if name not in PROOF}
        return replace(state, task=None, stack=(*stack, replace(task, slots=slots, confirming=False))[-MAX_STACK:])

    def _cancelled(self, state: State, key: str = "") -> Step:
        return Step(replace(state, task=None, stack=(), failed=0), (Reply(key or "utter_cancelled"),))

    def _unsure(self, parse: Parse) -> tuple[str, ...]:
        """The two intents between which a message is undecided, or nothing."""
        settings = self._recognition
        if parse.confidence >= settings.sure or len(parse.ranking) < 2:
            return ()
        (first, best), (second, next_best) = parse.ranking[:2]
        askable = self._domain.responses
        if best - next_best >= settings.margin or any(f"utter_title_{name}" not in askable for name in (first, second)):
            return ()
        return first, second

    def _clarify(self, state: State, choices: tuple[str, ...], turn: Turn) -> Step:
        carried = self._filled(Task("", {"order_number": "", "contact": "", "ticket_number": ""}), turn)
        buttons = [Button(TextKey(f"utter_title_{intent}"), f"/{intent}") for intent in choices]
        buttons.append(Button(TextKey("utter_none_of_these"), "/ask_help"))
        state = replace(state, carried=carried)
        return Step(state, (Reply("utter_clarify", buttons=tuple(buttons)),))

    def _invalid(self, state: State, task: Task, turn: Turn) -> Step:
        if not turn.parse.text.strip():
            return Step(state, (Reply("utter_empty"),))
        key = f"utter_invalid_{task.asking}"
        failed = state.failed + 1
        if failed >= self._settings.failed_turns or key not in self._domain.responses:
            return self._not_understood(state, turn)
        asked = self._domain.responses.get(f"utter_ask_{task.asking}")
        again = task.asking if asked is None or asked.variants[0].buttons or task.asking == "language" else ""
        return Step(replace(state, failed=failed), (Reply(key),), ask=again)

    @staticmethod
    def _to_person(state: State, turn: Turn, reason: str) -> Step:
        """Hand over by itself; bad temper is the better reason, and a cry for help the best."""
        reason = next((found for found in ("distress", "unhappy") if found in turn.triggers), reason)
        return Step(state, run=Run("talk_to_human", {"reason": reason}))

    def _not_understood(self, state: State, turn: Turn) -> Step:
        failed = state.failed + 1
        if "vip" in turn.triggers and turn.parse.text.strip():
            return self._to_person(state, turn, "vip")
        if not self._spec(state.task.intent).resumable if state.task else False:
            state = replace(state, task=None)
        if failed >= self._settings.failed_turns:
            return Step(replace(state, failed=0, offered=True), (Reply("utter_offer_person"),))
        if not turn.parse.text.strip():
            return Step(state, (Reply("utter_empty"),))
        return Step(replace(state, failed=failed), (Reply("utter_fallback"),))
