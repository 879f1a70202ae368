"""The lists: whose queue, which tickets and conversations, in which order, page after page."""

from __future__ import annotations

import html
import re
from datetime import datetime, timedelta

import httpx
import pytest

from bot.config import Config, Settings
from bot.contracts import Owner
from bot.storage import Database, lists, now, ticket_topics
from bot.storage.lists import ConversationFilter, Due, Place, Sort, TicketFilter
from bot.storage.models import (
    ClockKind,
    Conversation,
    Handoff,
    Severity,
    Ticket,
    TicketClock,
    TicketStatus,
    TicketType,
)
from tests.desk.office import Office, token_of

TEAMS = [{"name": "Billing", "members": ["ana"]}, {"name": "Delivery", "members": ["lars"]}]


def with_teams(office: Office) -> None:
    """Ana and Lars are in teams of their own."""
    settings = Settings.model_validate(office.config.settings.model_dump() | {"teams": TEAMS})
    object.__setattr__(office.config, "settings", settings)


def listed(page: httpx.Response) -> list[str]:
    """What the rows of a page are called."""
    return re.findall(r'class="open"[^>]*>(?:<bdi>)?([^<]+)<', page.text)


def link(page: httpx.Response, rel: str) -> str:
    """Where the pager leads; empty for nowhere."""
    found = re.search(rf'rel="{rel}" href="([^"]+)"', page.text)
    return html.unescape(found[1]) if found else ""


async def ticket(
    database: Database,
    talk: int,
    *,
    due: float | None = None,
    breached: bool = False,
    met: bool = False,
    **values: object,
) -> int:
    """A ticket; ``due`` in hours from now, where a clock runs."""
    defaults = {"type": TicketType.LATE, "severity": Severity.NORMAL, "language": "en", "description": "x"}
    async with database.begin() as session:
        row = Ticket(conversation_id=talk, **defaults | values)
        session.add(row)
        await session.flush()
        at = None if due is None else now() + timedelta(hours=due)
        for kind, later in ((ClockKind.RESOLUTION, 0), (ClockKind.FIRST_RESPONSE, 100)):
            session.add(
                TicketClock(
                    ticket_id=row.id,
                    kind=kind,
                    target_seconds=60,
                    since=now() if at else None,
                    due_at=at + timedelta(hours=later) if at else None,
                    breached_at=now() if breached and not later else None,
                    met_at=now() if met else None,
                )
            )
    return row.id


async def test_each_sees_their_own_queue_their_teams_and_all(office: Office) -> None:
    """Mine: what I have and what is offered to me; team: my teams' and nobody's; all; in the address."""
    with_teams(office)
    ana, lars = office.people["ana"].id, office.people["lars"].id
    rows = {
        "Has": {"team": "Delivery", "agent_id": ana},
        "Offered": {"team": "Billing", "offered_to_id": ana, "phone": "+34600"},
        "Teams": {"team": "Billing", "offered_to_id": lars},
        "Nobodys": {"team": ""},
        "Others": {"team": "Delivery", "agent_id": lars},
    }
    for name, values in rows.items():
        talk = await office.writes(name, f"I am {name}")
        await office.waits(talk)
        async with office.database.begin() as session:
            row = await session.get_one(Handoff, talk)
            for key, value in values.items():
                setattr(row, key, value)
    async with office.signed_in("ana") as client:
        mine = await client.get("/desk?view=mine")
        assert listed(mine) == ["Offered", "Has"]
        assert "Offered to you" in mine.text and "Call back: +34600" in mine.text
        assert 'hx-get="/desk?view=mine"' in mine.text
        assert set(listed(await client.get("/desk?view=team"))) == {"Offered", "Teams", "Nobodys"}
        everything = await client.get("/desk")
        assert set(listed(everything)) == set(rows) and listed(everything)[0] == "Offered"
        assert listed(await client.get("/desk?view=%27")) == listed(everything)
        part = await client.get("/desk?view=mine", headers={"hx-request": "true"})
        assert listed(part) == ["Offered", "Has"] and "<html" not in part.text
        # The number in the navigation is everyone's.
        assert "(3)" not in mine.text and ">3<" in mine.text


async def test_a_long_queue_is_counted_and_shown_in_part(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are shown, the rest is a number and a link."""
    monkeypatch.setattr("bot.desk.inbox.SHOWN", 2)
    for number in range(4):
        await office.waits(await office.writes(f"C{number}", "hi"), minutes_ago=10 - number)
    async with office.signed_in("ana") as client:
        page = await client.get("/desk")
        assert listed(page) == ["C0", "C1"] and "Waiting: 4" in page.text and "2 more" in page.text
        assert len(listed(await client.get("/desk/conversations?owner=queue&sort=oldest"))) == 4


async def _tickets(office: Office) -> dict[str, int]:
    web = await office.writes("Web", "hi", channel="web")
    slack = await office.writes("Slack", "hi", channel="slack", language="es")
    ana = office.people["ana"].id
    status, made = TicketStatus, office.database
    return {
        "plain": await ticket(made, web),
        "missed": await ticket(made, web, due=-1, severity=Severity.HIGH),
        "paused": await ticket(made, web, breached=True, status=status.PENDING_CUSTOMER),
        "soon": await ticket(
            made,
            slack,
            due=2,
            severity=Severity.CRITICAL,
            language="es",
            agent_id=ana,
            product="Tea & cups",
            country="ES",
        ),
        "week": await ticket(
            made,
            slack,
            due=200,
            type=TicketType.BILLING,
            team="Billing",
            carrier="DHL",
            country="ES",
        ),
        "late": await ticket(
            made,
            web,
            breached=True,
            met=True,
            status=status.CLOSED,
            severity=Severity.LOW,
            created_at=LONG_AGO,
            carrier="DHL",
        ),
    }


LONG_AGO = datetime.fromisoformat("2026-03-01T23:30:00+00:00")
FILTERS = [
    ("", {"plain", "missed", "paused", "soon", "week", "late"}),
    ("status=closed", {"late"}),
    ("type=billing", {"week"}),
    ("severity=critical", {"soon"}),
    ("language=es", {"soon"}),
    ("channel=slack", {"soon", "week"}),
    ("team=Billing", {"week"}),
    ("team=-", {"plain", "missed", "paused", "soon", "late"}),
    ("agent=me", {"soon"}),
    ("agent=none", {"plain", "missed", "paused", "week", "late"}),
    ("due=missed", {"missed", "paused"}),
    ("due=soon", {"soon"}),
    ("due=none", {"plain", "paused", "late"}),
    ("due=missed&severity=high", {"missed"}),
    ("channel=slack&agent=none&due=soon", set()),
    ("agent={ana}", {"soon"}),
    ("product=Tea+%26+cups", {"soon"}),
    ("product=-", {"plain", "missed", "paused", "week", "late"}),
    ("product=Nothing+of+that+name", set()),
    ("carrier=DHL", {"week", "late"}),
    ("country=ES", {"soon", "week"}),
    ("country=ES&carrier=-", {"soon"}),
    ("carrier=DHL&country=-&status=closed", {"late"}),
    ("language=fr", set()),
    # The shop's day, in Amsterdam, begins at 23:00.
    ("until=2026-03-02", {"late"}),
    ("since=2026-03-02&until=2026-03-02", {"late"}),
    ("until=2026-03-01", set()),
    ("since=2026-03-03", {"plain", "missed", "paused", "soon", "week"}),
    ("since=2026-02-30&until=99999-01-01&merged=perhaps", {"plain", "missed", "paused", "soon", "week", "late"}),
    ("merged=no", {"plain", "missed", "paused", "soon", "week", "late"}),
    ("merged=yes", set()),
    ("status=nonsense&due='&agent=77&team=No", {"plain", "missed", "paused", "soon", "week", "late"}),
]


async def test_tickets_are_filtered_by_everything_and_all_at_once(office: Office) -> None:
    """Each filter by itself and together, with the number of them; what does not exist filters nothing."""
    with_teams(office)
    made = await _tickets(office)
    async with office.signed_in("ana") as client:
        for asked, expected in FILTERS:
            query = asked.format(ana=office.people["ana"].id)
            page = await client.get(f"/desk/tickets?{query}")
            assert set(listed(page)) == {f"T-{made[name]:06}" for name in expected}, query
            assert f'<span class="muted small">{len(expected)}</span>' in page.text, query
        page = (await client.get("/desk/tickets?due=missed&status=open&sort=due")).text
        assert '<option value="missed" selected>' in page and '<option value="due" selected>' in page
        missed = (await client.get("/desk/tickets?due=missed")).text
        assert missed.count(">Missed</span>") == 2


async def test_topics_are_offered_and_kept_on_every_way(office: Office) -> None:
    """What there is can be chosen, in the reader's words; pages, files and bulk changes keep to it."""
    made = await _tickets(office)
    for _ in range(30):
        await ticket(office.database, 1, carrier="DHL", country="NL")
    async with office.signed_in("ana") as client:
        plain = (await client.get("/desk/tickets")).text
        assert '<option value="Tea &amp; cups" >Tea &amp; cups</option>' in plain
        assert '<option value="ES" >Spain</option>' in plain and '<details class="more-filters" >' in plain
        page = await client.get("/desk/tickets?carrier=DHL&country=NL")
        assert '<details class="more-filters" open>' in page.text and '<option value="DHL" selected>' in page.text
        second = await client.get("/desk/tickets" + link(page, "next"))
        assert len(listed(page)) == 25 and len(listed(second)) == 5
        back = await client.get("/desk/tickets" + link(second, "prev"))
        assert listed(back) == listed(page)
        (address,) = re.findall(r'href="(/desk/export/tickets\.csv\?[^"]*)"', page.text)
        lines = (await client.get(html.unescape(address))).text.splitlines()
        assert len(lines) == 31
        fields = {"token": token_of(page), "query": "&carrier=DHL&country=ES", "all": "1", "do": "note", "text": "x"}
        asked = await client.post("/desk/bulk/tickets", data=fields)
        assert f'name="ids" value="{made["week"]}"' in asked.text


async def test_due_today_ends_with_the_shops_day(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is due before the shop's midnight, and not after it."""
    noon = datetime.fromisoformat("2026-03-02T11:00:00+00:00")
    for module in ("bot.desk.lists.now", "bot.storage.lists.now"):
        monkeypatch.setattr(module, lambda: noon)
    talk = await office.writes("C", "hi")
    async with office.database.begin() as session:
        for at in ("2026-03-02T22:30:00+00:00", "2026-03-03T12:00:00+00:00", "2026-03-02T10:00:00+00:00"):
            row = Ticket(conversation_id=talk, type="late", severity="low", language="en", description="x")
            session.add(row)
            await session.flush()
            due = datetime.fromisoformat(at)
            session.add(TicketClock(ticket_id=row.id, kind=ClockKind.RESOLUTION, target_seconds=1, due_at=due))
    async with office.signed_in("ana") as client:
        assert listed(await client.get("/desk/tickets?due=today")) == ["T-000001"]


async def test_tickets_stand_in_the_order_asked_for(office: Office) -> None:
    """Latest, oldest, by what is due first (the rest after it), by severity."""
    made = await _tickets(office)
    orders = {
        "latest": ["late", "week", "soon", "paused", "missed", "plain"],
        "oldest": ["plain", "missed", "paused", "soon", "week", "late"],
        "due": ["missed", "soon", "week", "late", "paused", "plain"],
        "severity": ["soon", "missed", "week", "paused", "plain", "late"],
    }
    async with office.signed_in("ana") as client:
        for sort, names in orders.items():
            page = await client.get(f"/desk/tickets?sort={sort}")
            assert listed(page) == [f"T-{made[name]:06}" for name in names], sort


@pytest.mark.parametrize("sort", list(Sort))
async def test_pages_of_tickets_follow_each_other_there_and_back(any_database: Database, sort: Sort) -> None:
    """No ticket is missing or shown twice, forwards and backwards, over equal times and parts of the list."""
    async with any_database.begin() as session:
        session.add(Conversation(channel="web", address_key="x", chat="x", user="x"))
    for number in range(23):
        due = None if number % 3 == 0 else (number % 4) * 10.0
        severity = list(Severity)[number % 4]
        await ticket(any_database, 1, due=due, severity=severity)
    async with any_database.begin() as session:
        same = now() + timedelta(hours=5)
        for clock in await session.scalars(TicketClock.__table__.select().with_only_columns(TicketClock.id)):
            row = await session.get_one(TicketClock, clock)
            if row.due_at is not None and row.ticket_id % 2:
                row.due_at = same
    async with any_database.read() as session:
        whole = list((await lists.ticket_ids(session, TicketFilter(), sort, size=100)).items)
        assert sorted(whole) == list(range(1, 24))
        pages, place = [], None
        while True:
            page = await lists.ticket_ids(session, TicketFilter(), sort, place, 4)
            pages.append(list(page.items))
            place = Place.read(page.older)
            if place is None:
                break
        assert [item for page in pages for item in page] == whole
        for expected in reversed(pages[:-1]):
            place = Place.read(page.newer)
            page = await lists.ticket_ids(session, TicketFilter(), sort, place, 4)
            assert list(page.items) == expected
        assert page.newer == "" or pages[0] == list(page.items)


async def test_going_back_beyond_the_beginning_shows_the_first_page(any_database: Database) -> None:
    """A page before one that has become the first is the first, whole."""
    async with any_database.begin() as session:
        for number in range(6):
            moment = now() - timedelta(hours=number)
            key = {"address_key": str(number), "chat": "x", "user": "x"}
            session.add(Conversation(channel="web", updated_at=moment, **key))
    async with any_database.read() as session:
        page = await lists.conversation_ids(session, ConversationFilter(), size=3)
        later = await lists.conversation_ids(session, ConversationFilter(), place=Place.read(page.older), size=3)
        assert (list(page.items), list(later.items), later.older) == ([1, 2, 3], [4, 5, 6], "")
        second = Place(0, None, 0)
        row = await session.get_one(Conversation, 3)
        second = Place(0, row.updated_at, 3, back=True)
        back = await lists.conversation_ids(session, ConversationFilter(), place=second, size=3)
        assert list(back.items) == [1, 2, 3] and back.newer == ""


def test_a_place_is_read_as_it_was_written_and_nothing_else_is() -> None:
    """Addresses are changed by people: what is no place is no place."""
    for place in (Place(0, None, 5), Place(1, now(), 2**58, True), Place(3, None, 1, True)):
        assert Place.read(place.text()) == place
    for text in (
        "",
        "a",
        "a0",
        "x0..1",
        "a0..",
        "a..1",
        "a0.x.1",
        "a0.9999999999999999999.1",
        "a0..1.2",
        "a-1..1",
        "a0.4000000000000001.1",
    ):
        assert Place.read(text) is None, text


async def test_conversations_are_filtered_and_ordered(office: Office) -> None:
    """By owner, agent, team, language and channel, latest or oldest first, page by page in the address."""
    with_teams(office)
    for number in range(30):
        channel, language = ("slack", "es") if number % 3 == 0 else ("web", "en")
        await office.writes(f"C{number:02}", "hi", channel=channel, language=language)
    for talk, name in ((1, "ana"), (2, "lars")):
        await office.waits(talk)
        await office.claims(talk, name)
    await office.waits(3)
    async with office.database.begin() as session:
        (await session.get_one(Handoff, 3)).team = "Billing"
    lars = office.people["lars"].id
    cases = {
        "agent=me": ["C00"], "owner=person": ["C01", "C00"], "owner=queue": ["C02"], "team=Billing": ["C02"],
        f"agent={lars}": ["C01"], "team=-": ["C00", "C01"], f"team=-&agent={lars}": ["C01"],
        "channel=slack&owner=person": ["C00"], "language=es&agent=me": ["C00"], "language=en&agent=me": [],
    }  # fmt: skip
    async with office.signed_in("ana") as client:
        for query, expected in cases.items():
            assert sorted(listed(await client.get(f"/desk/conversations?{query}"))) == sorted(expected), query
        page = await client.get("/desk/conversations?sort=oldest&agent=none")
        assert len(listed(page)) == 25 and "agent=none" in link(page, "next") and "sort=oldest" in link(page, "next")
        following = await client.get(f"/desk/conversations{link(page, 'next')}")
        assert len(listed(following)) == 3 and not set(listed(page)) & set(listed(following))
        assert listed(await client.get(f"/desk/conversations{link(following, 'prev')}")) == listed(page)


async def test_counting_stops(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the most that is counted the list says "more than"."""
    monkeypatch.setattr(lists, "MOST_COUNTED", 2)
    for number in range(4):
        await office.writes(f"C{number}", "hi")
    async with office.signed_in("ana") as client:
        assert "more than 2" in (await client.get("/desk/conversations")).text
    async with office.database.read() as session:
        assert await lists.count_conversations(session, ConversationFilter(owner=Owner.QUEUE)) == 0
        assert (await lists.conversations(session, ConversationFilter())).many


async def test_lists_work_on_both_databases(config: Config, any_database: Database) -> None:
    """Every filter and order is something that both kinds of database understand."""
    async with any_database.begin() as session:
        session.add(Conversation(channel="web", address_key="x", chat="x", user="x", owner=Owner.QUEUE))
    topic = {"product": "Boots", "carrier": "DHL", "country": "ES"}
    await ticket(any_database, 1, due=1, team="Billing", agent_id=5, **topic)
    for name in ("Ä", "a", "Boots", "z"):
        await ticket(any_database, 1, product=name)
    day = now() + timedelta(days=1)
    every = [
        TicketFilter(
            status=TicketStatus.NEW, type=TicketType.LATE, severity=Severity.NORMAL, language="en", channel="web",
            team="Billing", agent_id=5, due=due, today=day, since=now() - timedelta(days=1), until=day, merged=False,
            **topic,
        )
        for due in Due
    ]  # fmt: skip
    async with any_database.read() as session:
        for sort in Sort:
            found = [len((await lists.tickets(session, wanted, sort)).items) for wanted in every]
            assert found == [0, 1, 1, 0], sort
        known = await ticket_topics.topics(session)
        assert set(known.products) == {"Ä", "a", "Boots", "z"} and len(known.products) == 4
        assert (known.carriers, known.countries) == (("DHL",), ("ES",))
        wanted = ConversationFilter(owner=Owner.QUEUE, language="", channel="web", team="", agent_id=0)
        assert (await lists.conversations(session, wanted, Sort.OLDEST)).items == ()
