"""The dialogue's rules, on hand-made readings of messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from actions import load_actions
from bot.config import DialogueSettings, RecognizerSettings, Shop
from bot.contracts import Entity, LanguageGuess, Parse, Reply
from bot.dialogue import Dialogue, resolve_choice
from bot.domain import load_domain
from bot.language_choice import choose_language
from bot.state import Outcome, State, Step, Task, Turn

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def dialogue() -> Dialogue:
    """The shipped domain's dialogue."""
    return Dialogue(
        load_domain(ROOT), load_actions().specs, RecognizerSettings(), DialogueSettings(), Shop().order_number_pattern
    )


def heard(
    text: str,
    intent: str,
    confidence: float = 0.9,
    second: tuple[str, float] = ("out_of_scope", 0.01),
    *,
    pressed: bool = False,
    files: int = 0,
    verified: bool = False,
    **entities: str,
) -> Turn:
    """A message as the recogniser would read it."""
    found = tuple(Entity(name, value, 0, 0) for name, value in entities.items())
    parse = Parse(text, intent, confidence, ((intent, confidence), second), found)
    return Turn(parse, pressed, files, verified)


def keys(step: Step) -> list[str]:
    """The text keys a step says."""
    return [reply.key for reply in step.replies]


def test_asks_for_what_is_missing_then_runs(dialogue: Dialogue) -> None:
    """A form's slots are asked in order, and the action runs once all are there."""
    step = dialogue.step(State(), heard("where is my order", "track_order"))
    assert (step.ask, step.run) == ("order_number", None)
    step = dialogue.step(step.state, heard("100234", "inform", order_number="100234"))
    assert (step.ask, step.run) == ("contact", None)
    step = dialogue.step(step.state, heard("ana@example.com", "inform", email="ana@example.com"))
    assert step.run is not None
    assert step.run.slots == {"order_number": "100234", "contact": "ana@example.com"}


def test_fills_several_slots_from_one_message(dialogue: Dialogue) -> None:
    """Everything that a message says is used at once."""
    turn = heard("where is 100234, a@example.com", "track_order", order_number="100234", email="a@example.com")
    step = dialogue.step(State(), turn)
    assert step.run is not None
    assert step.run.slots == {"order_number": "100234", "contact": "a@example.com"}


def test_a_verified_customer_is_not_asked_for_a_contact(dialogue: Dialogue) -> None:
    """What verification already proved is not asked again."""
    step = dialogue.step(State(), heard("where is 100234", "track_order", order_number="100234", verified=True))
    assert step.run is not None and step.ask == ""


def test_a_correction_replaces_the_value(dialogue: Dialogue) -> None:
    """ "No, 100235" while something else is asked corrects the number and goes on."""
    step = dialogue.step(State(), heard("where is 100234", "track_order", order_number="100234"))
    step = dialogue.step(step.state, heard("no, 100235", "deny", order_number="100235"))
    assert step.ask == "contact"
    assert step.state.task is not None and step.state.task.slots["order_number"] == "100235"


def test_a_correction_during_the_confirmation_asks_again(dialogue: Dialogue) -> None:
    """A corrected number must be confirmed anew: nothing irreversible happens to the wrong order."""
    step = dialogue.step(State(), heard("cancel 100234", "cancel_order", order_number="100234", email="a@example.com"))
    assert step.run is not None
    asked = dialogue.after(
        step.state, step.run, Outcome((Reply("utter_confirm_cancel_order"),), confirm=True), heard("", "")
    )
    step = dialogue.step(asked.state, heard("no, 100235", "deny", order_number="100235", verified=True))
    assert step.run is not None
    assert step.run.decision == ""
    assert step.run.slots["order_number"] == "100235"


def test_an_old_confirmation_button_confirms_nothing(dialogue: Dialogue) -> None:
    """A button carries the question it belongs to; pressed later it is refused."""
    step = dialogue.step(State(), heard("cancel 100234", "cancel_order", order_number="100234", email="a@example.com"))
    assert step.run is not None
    asked = dialogue.after(step.state, step.run, Outcome(confirm=True), heard("", ""))
    late = dialogue.step(asked.state, heard("yes", "affirm", 1.0, pressed=True, choice="0"))
    assert (keys(late), late.run) == (["utter_choice_gone"], None)
    token = asked.state.task.token if asked.state.task else ""
    right = dialogue.step(asked.state, heard("yes", "affirm", 1.0, pressed=True, choice=token))
    assert right.run is not None and right.run.decision == "yes"


def test_a_digression_is_answered_and_returned_from(dialogue: Dialogue) -> None:
    """A question in between is answered; then the open question is asked again."""
    step = dialogue.step(State(), heard("where is my order", "track_order"))
    step = dialogue.step(step.state, heard("do you ship to Chile?", "ask_shipping"))
    assert step.run is not None and step.run.intent == "ask_shipping"
    step = dialogue.after(step.state, step.run, Outcome((Reply(text="Yes"),)), heard("do you ship", "ask_shipping"))
    assert keys(step) == ["", "utter_resume"]
    assert step.ask == "order_number"


def test_a_task_within_a_task_returns_to_the_first(dialogue: Dialogue) -> None:
    """Another form in between is finished first, then the first one goes on."""
    step = dialogue.step(State(), heard("my parcel is broken", "open_complaint", complaint_type="damaged"))
    assert step.ask == "order_number"
    step = dialogue.step(step.state, heard("show me all my orders first", "list_orders", verified=True))
    assert step.run is not None and step.run.intent == "list_orders"
    step = dialogue.after(step.state, step.run, Outcome((Reply("utter_orders_none"),)), heard("", "list_orders"))
    assert keys(step)[-1] == "utter_resume"
    assert step.ask == "order_number"
    assert step.state.task is not None and step.state.task.intent == "open_complaint"


def test_no_cancels_a_question_that_must_be_answered(dialogue: Dialogue) -> None:
    """ "Never mind" ends what was begun."""
    step = dialogue.step(State(), heard("where is my order", "track_order"))
    step = dialogue.step(step.state, heard("never mind", "deny"))
    assert keys(step) == ["utter_cancelled_no_proof"]
    assert step.state.task is None


def test_no_skips_a_question_that_may_stay_open(dialogue: Dialogue) -> None:
    """The photo of a complaint can be left out."""
    step = dialogue.step(
        State(),
        heard(
            "The tea set arrived broken, two cups are in pieces",
            "open_complaint",
            complaint_type="damaged",
            order_number="100234",
        ),
    )
    assert step.ask == "photo"
    step = dialogue.step(step.state, heard("no", "deny"))
    assert step.run is not None
    assert step.run.slots["photo"] == ""
    assert step.run.slots["description"].startswith("The tea set")


def test_unsure_between_two_asks_which(dialogue: Dialogue) -> None:
    """ "Did you mean A or B?" with buttons, and what was said is kept for the answer."""
    turn = heard("my order 100234 is wrong", "open_complaint", 0.42, ("change_order", 0.38), order_number="100234")
    step = dialogue.step(State(), turn)
    assert keys(step) == ["utter_clarify"]
    assert [button.payload for button in step.replies[0].buttons] == ["/open_complaint", "/change_order", "/ask_help"]
    step = dialogue.step(step.state, heard("/change_order", "change_order", 1.0, pressed=True))
    assert step.ask == "contact"
    assert step.state.task is not None and step.state.task.slots == {"order_number": "100234"}


def test_two_failed_turns_offer_a_person(dialogue: Dialogue) -> None:
    """After the second message that is not understood, a person is offered; yes brings one."""
    step = dialogue.step(State(), heard("asdf", "", 0.1))
    assert keys(step) == ["utter_fallback"]
    step = dialogue.step(step.state, heard("qwer", "", 0.1))
    assert keys(step) == ["utter_offer_person"]
    step = dialogue.step(step.state, heard("yes", "affirm"))
    assert step.run is not None and step.run.intent == "talk_to_human"


def test_an_understood_message_resets_the_count(dialogue: Dialogue) -> None:
    """Only failures in a row count."""
    state = dialogue.step(State(), heard("asdf", "", 0.1)).state
    state = dialogue.step(state, heard("hello", "greet")).state
    assert keys(dialogue.step(state, heard("qwer", "", 0.1))) == ["utter_fallback"]


def test_free_text_is_taken_as_it_is(dialogue: Dialogue) -> None:
    """A description may sound like another intent and is still the description."""
    step = dialogue.step(State(), heard("complaint", "open_complaint", complaint_type="late", order_number="100234"))
    assert step.ask == "description"
    text = "where is my order, it should have been here weeks ago"
    step = dialogue.step(step.state, heard(text, "track_order"))
    assert step.state.task is not None and step.state.task.slots["description"] == text


def test_a_person_can_be_asked_for_at_any_question(dialogue: Dialogue) -> None:
    """Even where free text is expected."""
    step = dialogue.step(State(), heard("complaint", "open_complaint", complaint_type="late", order_number="100234"))
    step = dialogue.step(step.state, heard("get me a human", "talk_to_human"))
    assert step.run is not None and step.run.intent == "talk_to_human"


def test_the_state_survives_storage(dialogue: Dialogue) -> None:
    """What is written to the database is read back equal."""
    step = dialogue.step(State(), heard("where is my order", "track_order"))
    step = dialogue.step(step.state, heard("list my orders", "list_orders"))
    assert State.from_json(step.state.to_json()) == step.state


@pytest.mark.parametrize(
    ("typed", "payload"), [("1", "/a"), ("2", "/b"), ("yes, CANCEL it.", "/a"), ("3", ""), ("maybe", ""), ("", "")]
)
def test_a_button_can_be_typed(typed: str, payload: str) -> None:
    """By its number or its words, where there is nothing to press."""
    state = State(buttons=(("Yes, cancel it", "/a"), ("No", "/b")))
    assert resolve_choice(state, typed) == payload


def test_digits_on_buttons_win_over_their_position() -> None:
    """A rating of 5 typed under the buttons 1 to 5 is the rating, and 10 is nobody's number."""
    state = State(buttons=tuple((str(score), f"/rate{score}") for score in (5, 4, 3, 2, 1)))
    assert resolve_choice(state, "5") == "/rate5"
    assert resolve_choice(state, "10") == ""


class TestLanguage:
    """The language is sticky, and changes for a reason."""

    SURE = LanguageGuess("es", 0.95, reason="words")

    def choose(self, state: State, current: str, guess: LanguageGuess, hint: str = "") -> tuple[str, State]:
        """Choose with the shipped threshold."""
        language, state, _reason = choose_language(state, current, guess, hint, "en", 0.8)
        return language, state

    def test_first_message_decides(self) -> None:
        """A clear message beats the platform's hint."""
        assert self.choose(State(), "", self.SURE, "zh-Hans")[0] == "es"

    def test_hint_decides_when_the_message_says_nothing(self) -> None:
        """An order number in the first message: the platform's hint, else the default."""
        nothing = LanguageGuess("", 0.0)
        assert self.choose(State(), "", nothing, "zh-Hans")[0] == "zh-Hans"
        assert self.choose(State(), "", nothing)[0] == "en"

    def test_ok_never_changes_it(self) -> None:
        """A message without a language leaves it."""
        assert self.choose(State(), "zh-Hans", LanguageGuess("", 0.0))[0] == "zh-Hans"
        assert self.choose(State(), "zh-Hans", LanguageGuess("en", 0.6))[0] == "zh-Hans"

    def test_a_clear_message_changes_it(self) -> None:
        """Another language, clearly."""
        assert self.choose(State(), "en", self.SURE)[0] == "es"

    def test_an_explicit_choice_holds_against_one_message(self) -> None:
        """Chosen on request, it takes two clear messages in a row to leave it."""
        chosen = State(language_chosen=True)
        language, state = self.choose(chosen, "en", self.SURE)
        assert language == "en"
        assert self.choose(state, "en", self.SURE)[0] == "es"

    @pytest.mark.parametrize("slot", ["order_number", "contact", "callback_phone"])
    @pytest.mark.parametrize("text", ["Rosa", "rosa blanco", "Calle 5", "ana@correo.es", "李明", "100234"])
    def test_what_was_asked_for_changes_nothing(self, slot: str, text: str) -> None:
        """An answer of a word or two to a question for data, however Spanish it looks."""
        asked = State(task=Task("track_order", asking=slot))
        language, state, _reason = choose_language(asked, "en", self.SURE, "", "en", 0.8, text)
        assert language == "en"
        assert choose_language(state, "en", self.SURE, "", "en", 0.8, "no lo encuentro")[0] == "es"

    @pytest.mark.parametrize("text", ["¿Hablas español?", "no tengo el número", "没有订单号啊", "تتكلم عربي؟"])
    def test_a_sentence_changes_it_even_then(self, text: str) -> None:
        """Who answers a question with a sentence in another language is answered in that one."""
        asked = State(task=Task("track_order", asking="order_number"))
        assert choose_language(asked, "en", self.SURE, "", "en", 0.8, text)[0] == "es"

    def test_a_name_does_not_begin_a_conversation_against_the_hint(self) -> None:
        """What the platform says counts for more than a lone name; with a greeting it is the other way round."""
        assert self.choose(State(), "", LanguageGuess("it", 0.4), "en")[0] == "en"
        assert self.choose(State(), "", LanguageGuess("it", 0.95), "en")[0] == "it"
