"""The dashboard over HTTP: its figures, who sees which, its addresses, what is behind a figure, its files."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import zipfile
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import httpx
import pytest

from bot.config import Config, Settings, Team
from bot.desk.dashboard.asked import NO_TEAM, limited, own_teams
from bot.desk.dashboard.exports import sheet_names
from bot.desk.dashboard.panels import ticks
from bot.desk.dashboard.shown import Shown
from bot.storage import Database, figures, now
from bot.storage.figures import days_between
from bot.storage.models import Role, TopicFlag, User
from bot.words import Words
from tests.desk.managing import count, furnish, survey
from tests.desk.office import Office, office_of

PAGES = ("", "/csat", "/nps", "/ces", "/operations", "/recognition")
NORTH, SOUTH = Team(name="north", lead="maya", members=("ana",)), Team(name="south", members=("lars",))


def shown_in(page: str) -> str:
    """A page's words, without its tags."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


def tile(page: str, id: str) -> str:
    """The words of one tile."""
    begin = page.index(f'aria-labelledby="t-{id}"')
    return shown_in("<" + page[begin : page.index("</section>", begin)])


def panel(page: str, id: str) -> str:
    """The HTML of one panel."""
    begin = page.index(f'id="{id}"')
    return page[begin : page.index("</section>", begin)]


def read_csv(answer: httpx.Response) -> list[list[str]]:
    """The rows of a file."""
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))


def with_teams(office: Office) -> Settings:
    """The office's settings with two teams; ``maya`` leads the first."""
    return office.config.settings.model_copy(update={"teams": (NORTH, SOUTH)})


def office_with(office: Office, settings: Settings) -> Office:
    """The same office with other settings."""
    made = office_of(replace(office.config, settings=settings), office.database)
    made.people = office.people
    return made


async def test_it_is_for_managers(office: Office) -> None:
    """An agent gets a friendly refusal and no link, on every page and file; the old address leads to the new one."""
    async with office.signed_in("ana") as client:
        for path in (*PAGES, "/behind/csat", "/export/csat.csv", "/comments/1"):
            answer = await client.get(f"/desk/dashboard{path}")
            assert answer.status_code == 403 and "This page is for managers" in answer.text, path
        assert "/desk/dashboard" not in (await client.get("/desk")).text
    async with office.signed_in("maya") as client:
        assert 'href="/desk/dashboard"' in (await client.get("/desk")).text
        answer = await client.get("/desk/surveys")
        assert answer.status_code == 307 and answer.headers["location"] == "/desk/dashboard/csat"
        for path in (
            "/none",
            "/overview",
            "/behind/none",
            "/behind/csat?cell=x",
            "/export/none.csv",
            "/export/csat.pdf",
        ):
            assert (await client.get(f"/desk/dashboard{path}")).status_code == 404, path


async def test_scores_stand_with_n_rate_interval_rule_and_change(office: Office) -> None:
    """Eight of ten satisfied, two unanswered: the textbook's interval; against four of four: no clear change."""
    await furnish(office)
    async with office.signed_in("maya") as client:
        page = (await client.get("/desk/dashboard")).text
        words = tile(page, "csat")
        for part in (
            "80.0%", "95 % between 49.0% and 94.3%", "n = 10", "response rate 83.3%", "share of ratings 4–5",
            "No clear change (-20.0 points)", "before: 100.0%",
        ):  # fmt: skip
            assert part in words, (part, words)
        assert "+50.0" in tile(page, "nps") and "Nothing to compare with" in tile(page, "nps")
        assert "5.17" in tile(page, "ces")
        assert "Up by" not in tile(page, "volume")
        without = (await client.get("/desk/dashboard?compare=none")).text
        assert "before:" not in tile(without, "csat") and "compared with" not in shown_in(without)


async def test_a_clear_change_is_said_and_leads_the_list(office: Office) -> None:
    """Forty of forty satisfied before, ten of forty now: intervals apart, so it fell, and it is what changed most."""
    talk = await office.writes("Tom", "hello")
    for number in range(40):
        await survey(office, talk, "csat", 5, 40)
        await survey(office, talk, "csat", 5 if number < 10 else 1, 3)
    await count(office)
    async with office.signed_in("maya") as client:
        page = (await client.get("/desk/dashboard")).text
    assert "Down by 75.0 points" in tile(page, "csat") and "change-bad" in page
    changes = panel(page, "changes")
    assert "CSAT" in changes and "Down by 75.0 points" in shown_in(changes) and "25.0%" in shown_in(changes)


async def test_small_groups_are_not_told(office: Office) -> None:
    """By channel both have five answers; by language none has: their figures stand nowhere, in no file either."""
    await furnish(office)
    async with office.signed_in("maya") as client:
        page = (await client.get("/desk/dashboard/csat")).text
        assert "60.0%" in shown_in(panel(page, "by-channel")) and "100.0%" in shown_in(panel(page, "by-channel"))
        languages = shown_in(panel(page, "by-language"))
        assert "fewer than 5" in languages and "%" not in re.sub(r"\(95 %\)", "", languages)
        # Nobody's country is known: that says no more than the whole.
        assert 'id="by-country"' not in page
        rows = read_csv(await client.get("/desk/dashboard/export/csat.csv"))
        begin = rows.index(["By language"])
        assert {tuple(row[1:4]) for row in rows[begin + 2 : begin + 5]} == {("", "", "")}
        assert {row[4] for row in rows[begin + 2 : begin + 5]} == {"fewer than 5"}


async def test_operations_stand_with_their_tables(office: Office) -> None:
    """Twelve conversations, one hand-over taken after twenty minutes, a ticket that is open: all on the page."""
    await furnish(office)
    async with office.signed_in("maya") as client:
        page = (await client.get("/desk/dashboard/operations?period=7d")).text
        assert "12" in tile(page, "volume") and "20 min" in tile(page, "queue_wait")
        for id in (
            "volume", "first_response", "resolution", "queue_wait", "promises", "containment", "backlog",
            "backlog-status", "reasons",
        ):  # fmt: skip
            assert "<table" in panel(page, id), id
        assert "Asked for a person" in shown_in(panel(page, "reasons"))
        # The four honest parts, side by side, in tiles and in a table.
        for part in ("confirmed", "silent", "returned", "escalated"):
            assert f't-part-{part}"' in page and f"cell={part}" in panel(page, "containment")
        assert 'id="by"' not in page
        by_language = (await client.get("/desk/dashboard/operations?by=language")).text
        assert "By language" in panel(by_language, "by") and "Spanish" in panel(by_language, "by")
        page = (await client.get("/desk/dashboard/recognition?period=7d")).text
        assert all(name in shown_in(panel(page, "understanding")) for name in ("English", "Spanish", "German"))
        heat = panel(page, "busiest")
        assert heat.count("<td") == 7 * 24 and "Europe/Amsterdam" in heat


async def test_every_chart_has_its_table_and_the_servers_words(office: Office) -> None:
    """As many labels as rows, and the words of the chart are those that the server wrote."""
    await furnish(office)
    async with office.signed_in("maya") as client:
        # Everything was understood: of that there is nothing to draw.
        for path in PAGES[1:-1]:
            page = (await client.get(f"/desk/dashboard{path}")).text
            charts = re.findall(r'data-chart="([^"]*)"', page)
            assert charts, path
            assert page.count('<details class="behind-chart">') == len(charts)
            for text in charts:
                spec = json.loads(html.unescape(text))
                assert spec["label"] and len(spec["ticks"]) > 1
                assert len(spec["links"]) == len(spec["labels"])
                for series in spec["series"]:
                    assert len(series["values"]) == len(series["texts"]) == len(spec["labels"])
        page = (await client.get("/desk/dashboard/csat?period=7d")).text
        spec = json.loads(html.unescape(re.findall(r'data-chart="([^"]*)"', panel(page, "trend"))[0]))
        rows = re.findall(r"<tr>\s*<th scope=\"row\">", panel(page, "trend"))
        assert len(rows) == len(spec["labels"]) == 7


async def test_filters_stand_in_the_address_and_in_the_form(office: Office) -> None:
    """Channel and period narrow every figure, are checked in the form, and go along in every link."""
    await furnish(office)
    async with office.signed_in("maya") as client:
        page = (await client.get("/desk/dashboard/csat?period=7d&channel=slack")).text
        assert "60.0%" in tile(page, "csat") and "n = 5" in tile(page, "csat")
        assert re.search(r'name="channel" value="slack" checked', page)
        assert not re.search(r'name="channel" value="web" checked', page)
        links = [html.unescape(link) for link in re.findall(r'href="(/desk/dashboard[^"]+\?[^"]+)"', page)]
        assert len(links) > 20
        assert all(parse_qs(urlsplit(link).query).get("channel") in (["slack"], ["web"]) for link in links)
        both = (await client.get("/desk/dashboard/csat?period=7d&channel=slack&channel=web")).text
        assert "n = 10" in tile(both, "csat")
        # A named period goes before days that a form without a script sends along.
        day = (now() - timedelta(days=300)).date()
        named = (await client.get(f"/desk/dashboard/csat?period=7d&from={day}&to={day}")).text
        assert "n = 10" in tile(named, "csat")
        chosen = (await client.get(f"/desk/dashboard/csat?from={day}&to={day}")).text
        assert "n = 0" in tile(chosen, "csat") and "–" in tile(chosen, "csat")
        assert f'name="from" value="{day}"' in chosen


async def test_absurd_addresses_fall_back_with_a_word(office: Office) -> None:
    """Unknown periods, days, zones and agents: the usual figures, and what could not be used is said."""
    async with office.signed_in("maya") as client:
        for query, words in (
            ("period=forever", "This period is not known"),
            ("from=2026-13-45", "These days cannot be used"),
            ("from=1900-01-01&to=1900-02-01", "These days cannot be used"),
            ("zone=Mars/Olympus", "This time zone is not known"),
            ("agent=me", "Some filters cannot be used"),
        ):
            answer = await client.get(f"/desk/dashboard?{query}")
            assert answer.status_code == 200 and words in answer.text, query
        fine = await client.get("/desk/dashboard?bucket=century&by=mood&compare=dreams&before=x&page=0")
        assert fine.status_code == 200 and 'role="alert"' not in fine.text


async def test_days_are_those_of_the_chosen_zone(office: Office) -> None:
    """An answer shortly before midnight in New York is the next day's in Auckland."""
    talk = await office.writes("Tom", "hello")
    days = days_between(now().date() - timedelta(days=3), now().date() - timedelta(days=3), "America/New_York")
    ago = (now() - (days.until - timedelta(minutes=30))) / timedelta(days=1)
    await survey(office, talk, "csat", 5, ago)
    await count(office)
    day = days.days()[0]
    async with office.signed_in("maya") as client:
        for zone, n in (("America/New_York", 1), ("Pacific/Auckland", 0)):
            page = (await client.get(f"/desk/dashboard/csat?from={day}&to={day}&zone={zone}")).text
            assert f"n = {n}" in tile(page, "csat"), zone
            assert f'value="{zone}"' in page


async def test_a_manager_of_teams_sees_those_teams_alone(office: Office) -> None:
    """Figures, files, what is behind them and comments: with a team's name in the address too."""
    await furnish(office)
    scoped = office_with(office, with_teams(office))
    hidden = await survey(office, 1, "csat", 1, 0.1, team="south", comment="a secret of the south")
    await count(office)
    async with scoped.signed_in("maya") as client:
        page = (await client.get("/desk/dashboard/csat?period=7d")).text
        assert "n = 5" in tile(page, "csat") and "60.0%" in tile(page, "csat")
        assert "south" not in shown_in(page) and "secret" not in page and "Demasiado lento" in page
        overview = (await client.get("/desk/dashboard")).text
        # Topics are counted over all teams.
        assert 'id="flags"' not in overview
        asked = (await client.get("/desk/dashboard/csat?period=7d&team=south")).text
        assert "n = 0" in tile(asked, "csat") and "your own teams only" in asked and "secret" not in asked
        both = (await client.get("/desk/dashboard/csat?period=7d&team=south&team=north")).text
        assert "n = 5" in tile(both, "csat")
        assert "secret" not in (await client.get("/desk/dashboard/export/csat.csv?team=south")).text
        behind = (await client.get("/desk/dashboard/behind/csat?period=7d")).text
        assert shown_in(behind).count("Rating") >= 1 and behind.count('<th scope="row">') == 5
        assert (await client.get("/desk/dashboard/behind/csat?team=south")).text.count('<th scope="row">') == 0
        assert (await client.get(f"/desk/dashboard/comments/{hidden}")).status_code == 404
    async with office.signed_in("maya") as client:
        everything = (await client.get("/desk/dashboard/csat?period=7d")).text
        assert "n = 11" in tile(everything, "csat") and "secret" in everything
        assert 'id="flags"' in (await client.get("/desk/dashboard")).text


async def test_topics_that_rose_in_the_period(office: Office) -> None:
    """A rise of weeks ago is among those of a long period, and not among those of the last days."""
    day = now().date() - timedelta(days=40)
    async with office.database.begin() as session:
        flag = {"dimension": "carrier", "value": "Slowpost", "day": day, "last_day": day + timedelta(days=3)}
        session.add(TopicFlag(**flag, observed=9, expected=2.5, p_value=0.001))
    async with office.signed_in("maya") as client:
        assert "Slowpost" in (await client.get("/desk/dashboard?period=90d")).text
        assert "Slowpost" not in (await client.get("/desk/dashboard?period=7d")).text


def test_whose_figures_one_sees() -> None:
    """Admins and managers without a team: all. Others: their teams; what they ask for besides gives nothing."""
    settings = Settings().model_copy(update={"teams": (NORTH, SOUTH)})
    maya = User(username="Maya", name="Maya", role=Role.MANAGER)
    assert own_teams(settings, maya) == (NORTH,)
    assert own_teams(settings, User(username="maya", name="", role=Role.ADMIN)) is None
    assert own_teams(settings, User(username="zoe", name="", role=Role.MANAGER)) is None
    today = now().date()
    everything = days_between(today, today, "UTC")
    assert limited(everything, None) == everything
    for asked, seen in (
        ((), ("north",)), (("north",), ("north",)), (("south",), (NO_TEAM,)), (("",), (NO_TEAM,)),
        (("south", "north"), ("north",)),
    ):  # fmt: skip
        assert limited(everything.with_(teams=asked), (NORTH,)).teams == seen, asked


async def test_behind_every_figure_is_what_it_counts(office: Office) -> None:
    """Each rating's surveys, the conversations, the ticket, the hand-over: as many as are counted, with links."""
    talks = await furnish(office)
    async with office.signed_in("maya") as client:
        page = (await client.get("/desk/dashboard/recognition")).text
        # One of the four Spanish ones was written to a person.
        assert "Spanish 3 0 0.0%" in shown_in(panel(page, "understanding"))
        page = (await client.get("/desk/dashboard/csat?period=7d")).text
        for link, n in zip(
            re.findall(r'<th scope="row"><bdi><a href="([^"]+)"', panel(page, "distribution")),
            (1, 1, 0, 3, 5),
            strict=True,
        ):
            behind = (await client.get(html.unescape(link))).text
            assert behind.count('<th scope="row">') == n, link
        assert (
            f'href="/desk/conversations/{talks[7]}"'
            in (await client.get("/desk/dashboard/behind/csat?cell=1&period=7d")).text
        )
        for figure, n in (
            ("volume", 12), ("backlog", 1), ("queue_wait", 1), ("handoff_reasons?cell=asked", 1), ("follow_ups", 1),
            ("follow_ups?cell=overdue", 1), ("csat?cell=unanswered", 2), ("understanding?cell=es", 3), ("busiest", 12),
            ("containment?cell=escalated", 1), ("promises", 0),
        ):  # fmt: skip
            answer = await client.get(f"/desk/dashboard/behind/{figure}")
            assert answer.status_code == 200, figure
            assert answer.text.count('<th scope="row">') == n, (figure, shown_in(answer.text))
        assert 'href="/desk/tickets/1"' in (await client.get("/desk/dashboard/behind/backlog")).text
        # Every link of every page leads somewhere.
        for path in PAGES:
            page = (await client.get(f"/desk/dashboard{path}?period=7d")).text
            links = dict.fromkeys(html.unescape(one) for one in re.findall(r'href="(/desk/dashboard[^"]*)"', page))
            for link in list(links)[:: max(1, len(links) // 12)]:
                assert (await client.get(link)).status_code == 200, (path, link)


async def test_files_have_exactly_what_is_seen(office: Office) -> None:
    """Every figure of the page's tables, and their comments, in CSV and in a spreadsheet; formulas are defused."""
    await furnish(office)
    await survey(office, 1, "csat", 3, 0.2, comment="=HYPERLINK(1)")
    await count(office)
    query = "period=7d&channel=slack&channel=web&zone=America/New_York"
    async with office.signed_in("maya") as client:
        page = (await client.get(f"/desk/dashboard/csat?{query}")).text
        answer = await client.get(f"/desk/dashboard/export/csat.csv?{query}")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert re.search(r'filename="csat-\d{4}-\d\d-\d\d-\d{4}-\d\d-\d\d\.csv"', answer.headers["content-disposition"])
        rows = read_csv(answer)
        book = await client.get(f"/desk/dashboard/export/csat.xlsx?{query}")
    assert ["Time zone", "America/New_York"] in rows
    begin = rows.index(["Figures"])
    figures_row = dict(zip(rows[begin + 1], rows[begin + 2], strict=True))
    assert (figures_row["Figure"], figures_row["n"]) == ("CSAT", "11")
    assert Shown(Words("en", "UTC")).share(float(figures_row["Value"])) in tile(page, "csat")
    assert float(figures_row["Value"]) == pytest.approx(8 / 11, abs=1e-6)
    begin = rows.index(["Answers"])
    assert [row[:2] for row in rows[begin + 2 : begin + 7]] == [
        ["1", "1"],
        ["2", "1"],
        ["3", "1"],
        ["4", "3"],
        ["5", "5"],
    ]
    assert "'=HYPERLINK(1)" in [row[1] for row in rows[rows.index(["Comments"]) + 2 :]]
    with zipfile.ZipFile(io.BytesIO(book.content)) as file:
        names = re.findall(r'<sheet name="([^"]+)"', file.read("xl/workbook.xml").decode())
        sheet = ElementTree.fromstring(file.read(f"xl/worksheets/sheet{names.index('Figures') + 1}.xml"))
    assert {"Figures", "Over time", "Answers", "By channel", "By team", "Comments"} <= set(names)
    value = sheet.find(".//{*}c[@r='B2']/{*}v")
    assert value is not None and float(str(value.text)) == pytest.approx(8 / 11)
    assert b"<f>" not in book.content


async def test_comments_have_topic_sentiment_and_older_ones(office: Office) -> None:
    """Newest first, with what they are about and how they sound; more than a page goes on with a link."""
    talk = await office.writes("Tom", "hello")
    for number in range(30):
        words = {"comment": f"remark {number:02}.", "topic": "delivery", "sentiment": -0.8}
        await survey(office, talk, "csat", 2, 1 + number / 100, **words)
        await survey(office, talk, "nps", 2, 1 + number / 100, comment=f"other {number:02}.")
    await count(office)
    async with office.signed_in("maya") as client:
        page = (await client.get("/desk/dashboard/csat")).text
        assert "remark 00." in page and "remark 24." in page and "remark 25." not in page and "other 0" not in page
        assert "Delivery" in shown_in(page) and "unhappy" in shown_in(page)
        found = re.search(r'href="([^"]+before=\d+)"', page)
        assert found is not None
        older = (await client.get(html.unescape(found[1]))).text
        assert "remark 25." in older and "remark 29." in older and "remark 24." not in older and "before=" not in older


class _Echo:
    """Stands in for the translator's server."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []

    async def translate(self, text: str, source: str, target: str) -> str:
        """The text, backwards."""
        self.asked.append((text, source, target))
        return text[::-1]


async def test_comments_are_translated_for_the_reader(office: Office) -> None:
    """Only from languages that the reader does not speak, each text once, with or without a script."""
    from starlette.applications import Starlette

    from bot.desk import desk_routes

    echo = _Echo()
    made = await furnish(office)
    english = await survey(office, made[0], "csat", 5, 0.1, comment="so quick")
    routes = desk_routes(office.database, office.voice, office.config, echo)  # type: ignore[arg-type]
    translating = replace(office, app=Starlette(routes=routes))
    async with office.signed_in("maya") as client:
        assert "/desk/dashboard/comments/" not in (await client.get("/desk/dashboard/csat")).text
    async with translating.signed_in("maya") as client:
        page = (await client.get("/desk/dashboard/csat")).text
        found = set(re.findall(r'href="(/desk/dashboard/comments/(\d+))"', page))
        assert len(found) == 1 and str(english) not in {number for _, number in found}
        ((address, _),) = found
        part = (await client.get(address, headers={"hx-request": "true"})).text
        assert "otnel odaisameD" in part and "<html" not in part
        whole = (await client.get(address)).text
        assert "otnel odaisameD" in whole and "Demasiado lento" in whole and "<html" in whole
        assert len(echo.asked) == 1 and echo.asked[0][2] == "en"
        assert (await client.get("/desk/dashboard/comments/99999")).status_code == 404


async def test_both_kinds_of_database_show_the_same(config: Config, any_database: Database) -> None:
    """All pages and files on SQLite and on PostgreSQL."""
    office = office_of(config, any_database)
    for name, role in (("ana", Role.AGENT), ("maya", Role.MANAGER)):
        await office.person(name, role=role)
    await furnish(office)
    async with office.signed_in("maya") as client:
        for path in (*PAGES, "/behind/csat", "/behind/volume", "/export/operations.csv", "/export/overview.xlsx"):
            assert (await client.get(f"/desk/dashboard{path}")).status_code == 200, path
        page = (await client.get("/desk/dashboard/csat?period=7d")).text
        assert "80.0%" in tile(page, "csat") and "49.0% and 94.3%" in tile(page, "csat")


def test_scales_are_round_and_written_by_the_server() -> None:
    """Counts in whole steps, times in steps of clocks, numbers as the language writes them."""
    english, spanish = Shown(Words("en", "UTC")), Shown(Words("es", "UTC"))
    assert ticks(english, "count", 0, 3) == [(0, "0"), (1, "1"), (2, "2"), (3, "3")]
    assert [words for _, words in ticks(english, "count", 0, 4200)] == ["0", "2,000", "4,000", "6,000"]
    assert [words for _, words in ticks(english, "seconds", 0, 7200)] == ["0 sec", "30 min", "1 hr", "1.5 hr", "2 hr"]
    assert spanish.share(0.1234) == "12,3\xa0%" and spanish.decimal(-2.04, 1, signed=True) == "-2,0"
    assert english.decimal(0.04, 1, signed=True) == "0.0" and english.seconds(90) == "2 min"
    assert sheet_names(["By day/week", "a" * 40, "A" * 40]) == ["By day week", "a" * 31, "A" * 29 + " 2"]


def test_changes_are_judged_by_their_intervals() -> None:
    """Overlapping: no clear change. Apart: up or down. Nothing before: nothing to compare with."""
    shown = Shown(Words("en", "UTC"))
    assert shown.change_of(0.8, 0.7, "share", (0.7, 0.9), (0.6, 0.8)).clear is False
    up = shown.change_of(0.8, 0.4, "share", (0.7, 0.9), (0.3, 0.5))
    assert (up.direction, up.clear, up.text) == ("up", True, "Up by 40.0 points")
    assert shown.change_of(None, 0.4, "share").text == "Nothing to compare with"
    assert shown.change_of(12, 0, "count").text == "Nothing to compare with"
    assert shown.change_of(150, 100, "count").text == "Up by 50.0%"
    assert shown.change_of(0, 0, "count").text == "As before"
    assert figures.wilson(0, 0) == (None, None)
