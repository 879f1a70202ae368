"""Forms and the home page: the connector against a Slack workspace, in both modes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import update

from bot.contracts import Address, OutButton, Outgoing, Overview
from bot.inbox import Acceptor
from bot.storage import Database, StorageError, now, signal
from bot.storage.models import Inbox, InboxStatus, TicketType
from connectors.slack.client import SlackConnector
from connectors.slack.forms import Place, complaint_form, order_form
from connectors.slack.home import home_view
from connectors.slack.words import words
from tests.connectors.inboxes import Gate, stored, stored_count
from tests.connectors.slack.conftest import Connect, Known
from tests.fakes.slack_objects import is_view, words_of
from tests.fakes.slack_server import ANA, SlackServer
from tests.fakes.slack_workspace import ANAS_DIRECT

CHANNEL = "C0LAN2Q65"
DIRECT = Address("slack", ANA, ANA)
FAILED = "That did not work. Please try again in a moment."
LANGUAGES = ["en", "es", "fr", "de", "pt", "it", "nl", "ru", "tr", "ar", "hi", "zh-Hans", "zh-Hant", "ja", "ko"]


def question(asks: str = "order_number", address: Address = DIRECT, **fields: Any) -> Outgoing:
    return Outgoing(7, address, "Which order is it about?", "en", asks=asks, **fields)


async def opened(slack: SlackServer, connector: SlackConnector, message: Outgoing) -> dict[str, Any]:
    """The form of a question, after a press on its button."""
    await connector.send(message)
    assert (await slack.user_presses(message.address.chat, "Fill in a form")).acknowledged
    await slack.until(lambda: slack.modals)
    return slack.modals[-1]


# The form for an order number


async def test_an_order_number_from_a_form_is_a_message(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database
) -> None:
    """The number comes as an answer to the question; the question's buttons go and the answer stands there."""
    await receiving.start(accept)
    form = await opened(slack, receiving, question(buttons=(OutButton("100234", "/inform"),)))
    assert form["title"]["text"] == "Your order"
    delivery = await slack.user_submits({"order_number": " CN-2024-88121 "})
    assert delivery.response == {}
    assert slack.modals == []
    (event,) = await stored(database)
    assert (event.text, event.payload) == ("CN-2024-88121", '/inform{"order_number": "CN-2024-88121"}')
    assert (event.address, event.external_id) == (DIRECT, f"view:{form['id']}")
    await slack.until(lambda: not slack.posts(ANA)[0].buttons)
    assert slack.posts(ANA)[0].shown == "Which order is it about?\n✓ CN-2024-88121"


@pytest.mark.parametrize("number", ["12", "order 100234", "100234 and 100235", "x" * 61])
async def test_what_is_no_order_number_is_said_below_the_field(
    number: str, slack: SlackServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """The form stays open with the shop's example, and nothing is stored."""
    connector = connect(slack.env(socket=True))
    await connector.start(accept)
    await opened(slack, connector, question())
    delivery = await slack.user_submits({"order_number": number})
    errors = {"order_number": "This is not an order number. One looks like 100234."}
    assert delivery.response == {"response_action": "errors", "errors": errors}
    assert len(slack.modals) == 1
    assert await stored(database) == []
    assert (await slack.user_submits({"order_number": "100234"})).response == {}
    assert [event.text for event in await stored(database)] == ["100234"]


async def test_a_form_is_acknowledged_only_after_the_commit(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database
) -> None:
    """While the inbox hangs the form stays open; a second delivery of the same form is stored once."""
    gate = Gate(accept)
    await receiving.start(gate)
    form = await opened(slack, receiving, question())
    delivery = await slack.user_submits({"order_number": "100234"}, wait=False)
    await slack.until(lambda: gate.asked)
    await asyncio.sleep(0.05)
    assert not delivery.acknowledged
    gate.open.set()
    await slack.until(lambda: delivery.acknowledged)
    assert (await slack.user_submits({"order_number": "100234"}, view=form)).acknowledged
    assert len(await stored(database)) == 1


async def test_a_form_that_could_not_be_stored_stays_open(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database
) -> None:
    """What was typed is not lost: the form says that it did not work, and sending it again works."""
    gate = Gate(accept, StorageError("the database is locked"))
    gate.open.set()
    await receiving.start(gate)
    await opened(slack, receiving, question())
    delivery = await slack.user_submits({"order_number": "100234"})
    assert delivery.response == {"response_action": "errors", "errors": {"order_number": FAILED}}
    gate.error = None
    assert (await slack.user_submits({"order_number": "100234"})).response == {}
    assert [event.text for event in await stored(database)] == ["100234"]


async def test_a_form_in_a_channels_thread_answers_in_that_thread(
    slack: SlackServer, connect: Connect, accept: Acceptor, database: Database
) -> None:
    """The conversation is the one in which the question was asked."""
    connector = connect(slack.env(socket=True))
    await connector.start(accept)
    thread = Address("slack", CHANNEL, ANA, "1763751601.000300")
    await opened(slack, connector, question(address=thread))
    await slack.user_submits({"order_number": "100234"})
    assert [event.address for event in await stored(database)] == [thread]
    await slack.until(lambda: not slack.posts(CHANNEL)[0].buttons)


async def test_a_form_that_does_not_open_is_said_to_have_failed(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor
) -> None:
    """A press is acknowledged at once, and its failure is told to whoever pressed, in the thread it was in."""
    await receiving.start(accept)
    address = Address("slack", CHANNEL, ANA, "1763751601.000300")
    await receiving.send(question(address=address))
    slack.fail_next("views.open", error="expired_trigger_id")
    assert (await slack.user_presses(CHANNEL, "Fill in a form")).acknowledged
    await slack.until(lambda: slack.whispers)
    (note,) = slack.whispers
    assert (note.channel, note.user, note.text, note.thread_ts) == (CHANNEL, ANA, FAILED, "1763751601.000300")
    assert slack.posts(CHANNEL)[0].buttons == ["Fill in a form"]


async def test_a_database_out_of_order_does_not_keep_a_form_from_opening(
    slack: SlackServer, connect: Connect, accept: Acceptor, known: Known
) -> None:
    """The form has three seconds: without an answer about the language it opens in the shop's."""
    known.error = StorageError("the database is locked")
    connector = connect(slack.env(socket=True))
    await connector.start(accept)
    form = await opened(slack, connector, question())
    assert form["title"]["text"] == "Your order"


# The complaint form


async def test_a_complaint_from_a_form_has_all_its_fields(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database
) -> None:
    """Type, order and description come as they were filled in; an order number may be missing."""
    await receiving.start(accept)
    await opened(slack, receiving, question("complaint_type"))
    filled = {"complaint_type": "damaged", "order_number": "100234", "description": "The box was crushed"}
    assert (await slack.user_submits(filled)).response == {}
    await slack.until(lambda: not slack.posts(ANA)[0].buttons)
    await receiving.send(question("complaint_type"))
    await slack.user_presses(ANA, "Fill in a form")
    await slack.until(lambda: slack.modals)
    await slack.user_submits({"complaint_type": "late", "description": "Still not here"})
    first, second = await stored(database)
    assert (first.text, first.payload) == ("The box was crushed", "/open_complaint")
    assert first.slots == filled | {"photo": ""}
    assert second.slots == {
        "complaint_type": "late",
        "order_number": "",
        "description": "Still not here",
        "photo": "",
    }


@pytest.mark.parametrize(
    ("values", "field", "error"),
    [
        ({"description": "  "}, "description", "Please write a few words about the problem."),
        ({"description": "x" * 2901}, "description", "This is too long; at most 2900 characters fit."),
        ({"order_number": "12"}, "order_number", "This is not an order number. One looks like 100234."),
        ({"complaint_type": "no such type"}, "complaint_type", "What went wrong?"),
    ],
)
async def test_what_is_wrong_with_a_complaint_is_said_below_its_field(
    values: dict[str, str],
    field: str,
    error: str,
    slack: SlackServer,
    connect: Connect,
    accept: Acceptor,
    database: Database,
) -> None:
    """Each field has its own error, and nothing is stored."""
    connector = connect(slack.env(socket=True))
    await connector.start(accept)
    await opened(slack, connector, question("complaint_type"))
    filled = {"complaint_type": "damaged", "description": "The box was crushed"} | values
    assert (await slack.user_submits(filled)).response == {
        "response_action": "errors",
        "errors": {field: error},
    }
    assert await stored(database) == []


async def test_a_ticket_can_be_opened_from_a_message(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database, known: Known
) -> None:
    """The shortcut opens the complaint form with the message's words, in the customer's language."""
    known.overviews[ANA] = Overview("es", False)
    await receiving.start(accept)
    text = "The box <https://x.example|arrived> crushed &amp; wet"
    assert (await slack.user_takes_shortcut(CHANNEL, text)).acknowledged
    await slack.until(lambda: slack.modals)
    form = slack.modals[-1]
    assert form["title"]["text"] == words("es")("form.complaint.title")
    kinds = [option["value"] for option in form["blocks"][0]["element"]["options"]]
    assert kinds == [kind.value for kind in TicketType]
    await slack.user_submits({"complaint_type": "damaged"})
    (event,) = await stored(database)
    assert (event.text, event.address) == ("The box arrived crushed & wet", DIRECT)


async def test_a_long_message_is_cut_for_the_form(slack: SlackServer, connect: Connect, accept: Acceptor) -> None:
    """The field takes 2,900 characters."""
    connector = connect(slack.env(socket=True))
    await connector.start(accept)
    await slack.user_takes_shortcut(CHANNEL, "long " * 2000)
    await slack.until(lambda: slack.modals)
    text = slack.modals[-1]["blocks"][2]["element"]["initial_value"]
    assert len(text) <= 2900
    assert text.endswith("…")


async def test_a_shortcut_whose_form_does_not_open_is_said_to_have_failed(
    slack: SlackServer, connect: Connect, accept: Acceptor
) -> None:
    """Whoever took it hears of it, where they are."""
    connector = connect(slack.env(socket=True))
    await connector.start(accept)
    slack.fail_next("views.open", 500)
    await slack.user_takes_shortcut(CHANNEL, "hello")
    await slack.until(lambda: slack.whispers)
    assert [(note.channel, note.user, note.text) for note in slack.whispers] == [(CHANNEL, ANA, FAILED)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_forms_and_pages_fit_in_every_language(language: str) -> None:
    """Titles, labels and buttons are within Slack's limits, whatever they are called."""
    place = Place(ANA, language=language)
    types = [(kind.value, "x" * 80) for kind in TicketType]
    overview = Overview(language, True, ("o" * 300,) * 200, ("t" * 300,) * 200)
    assert is_view(order_form(place, "100234"))
    assert is_view(complaint_form(place, types, "100234", "x" * 5000))
    assert is_view(home_view(overview, language, LANGUAGES, "A shop with a rather long name " * 10))


# The home page


def home(slack: SlackServer) -> str:
    """The words of Ana's home page."""
    return words_of(slack.homes[ANA]["blocks"]) if ANA in slack.homes else ""


async def handle(database: Database) -> None:
    """Mark everything in the inbox as handled, as the engine does."""
    async with database.begin() as session:
        for row in await stored(database):
            mine = update(Inbox).where(Inbox.external_id == row.external_id).returning(Inbox.id)
            number = await session.scalar(mine.values(status=InboxStatus.DONE, handled_at=now()))
            signal(session, f"inbox:{number}")


async def test_the_home_page_shows_orders_and_tickets(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, known: Known
) -> None:
    """Open orders and tickets as the program tells them, in the conversation's language; other tabs are left alone."""
    known.overviews[ANA] = Overview("en", True, ("100234 · on its way <today>",), ("T-000042 · open",))
    await receiving.start(accept)
    await slack.user_opens_home(tab="messages")
    await slack.user_opens_home()
    await slack.until(lambda: ANA in slack.homes)
    assert "• 100234 · on its way &lt;today&gt;" in home(slack)
    assert "• T-000042 · open" in home(slack)
    assert len(slack.calls_of("views.publish")) == 1
    buttons = [item["text"]["text"] for block in slack.homes[ANA]["blocks"] for item in block.get("elements", ())
               if item["type"] == "button"]  # fmt: skip
    assert buttons == ["Report a problem", "Talk to a person"]


async def test_the_home_page_of_one_who_is_not_verified(
    slack: SlackServer, connect: Connect, accept: Acceptor, database: Database, known: Known
) -> None:
    """No orders, but a button that asks for them, in the language set in Slack."""
    slack.locales[ANA] = "fr-FR"
    connector = connect(slack.env(socket=True))
    await connector.start(accept)
    await slack.user_opens_home()
    await slack.until(lambda: ANA in slack.homes)
    assert words("fr")("home.unverified") in home(slack).replace("&amp;", "&")
    await slack.user_presses_at_home(words("fr")("home.verify"))
    (event,) = await stored(database)
    assert (event.payload, event.address) == ("/list_orders", DIRECT)


async def test_what_is_pressed_at_home_speaks_in_the_direct_message_and_the_page_follows(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database, known: Known
) -> None:
    """A press is acknowledged after the commit; the page is published again once the event is handled."""
    gate = Gate(accept)
    await receiving.start(gate)
    await slack.user_opens_home()
    await slack.until(lambda: ANA in slack.homes)
    delivery = await slack.user_presses_at_home("Talk to a person", wait=False)
    await slack.until(lambda: gate.asked)
    await asyncio.sleep(0.05)
    assert not delivery.acknowledged
    gate.open.set()
    await slack.until(lambda: delivery.acknowledged)
    (event,) = await stored_count(database, 1)
    assert (event.payload, event.text, event.address) == ("/talk_to_human", "Talk to a person", DIRECT)
    await asyncio.sleep(0.1)
    assert len(slack.calls_of("views.publish")) == 1
    known.overviews[ANA] = Overview("en", True, (), ("T-000042 · open",))
    await handle(database)
    await slack.until(lambda: "T-000042" in home(slack))
    assert len(slack.calls_of("views.publish")) == 2


async def test_the_language_can_be_chosen_at_home(
    slack: SlackServer, receiving: SlackConnector, accept: Acceptor, database: Database, known: Known
) -> None:
    """Each language is called by its own name; the page is then shown in the one that was chosen."""
    await receiving.start(accept)
    await slack.user_opens_home()
    await slack.until(lambda: ANA in slack.homes)
    await slack.user_chooses_at_home("Français")
    (event,) = await stored(database)
    assert (event.payload, event.address) == ('/change_language{"language": "fr"}', DIRECT)
    known.overviews[ANA] = Overview("fr", False)
    await handle(database)
    await slack.until(lambda: words("fr")("home.complain") in str(slack.homes[ANA]))


async def test_a_complaint_from_the_home_page_is_shown_there(
    slack: SlackServer, connect: Connect, accept: Acceptor, database: Database, known: Known
) -> None:
    """The form opens from the page; once the complaint is handled the page has its ticket."""
    connector = connect(slack.env(socket=True))
    await connector.start(accept)
    await slack.user_opens_home()
    await slack.until(lambda: ANA in slack.homes)
    await slack.user_presses_at_home("Report a problem")
    await slack.until(lambda: slack.modals)
    await slack.user_submits({"complaint_type": "late", "description": "Still not here"})
    (event,) = await stored(database)
    assert (event.payload, event.address) == ("/open_complaint", DIRECT)
    known.overviews[ANA] = Overview("en", False, (), ("T-000043 · open",))
    await handle(database)
    await slack.until(lambda: "T-000043" in home(slack))


async def test_a_press_at_home_that_could_not_be_stored_is_said_to_have_failed(
    slack: SlackServer, connect: Connect, accept: Acceptor
) -> None:
    """There is no message to answer to, so the word comes in the direct message."""
    gate = Gate(accept)
    connector = connect(slack.env(socket=True))
    await connector.start(gate)
    await slack.user_opens_home()
    await slack.until(lambda: ANA in slack.homes)
    gate.error = StorageError("the database is locked")
    await slack.user_presses_at_home("Talk to a person", wait=False)
    await slack.until(lambda: slack.whispers)
    assert [(note.channel, note.user, note.text) for note in slack.whispers] == [(ANAS_DIRECT, ANA, FAILED)]


async def test_a_home_page_is_tried_again(slack: SlackServer, connect: Connect, accept: Acceptor) -> None:
    """A failure at Slack does not leave the page empty."""
    connector = connect(slack.env(socket=True))
    await connector.start(accept)
    slack.fail_next("views.publish", 500)
    slack.fail_next("views.publish", 0)
    await slack.user_opens_home()
    await slack.until(lambda: ANA in slack.homes)
