"""Signing in: who gets in, who does not, and what a stolen or forged cookie is worth."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.desk import auth
from bot.desk.auth import COOKIE, TRIES, WINDOW_SECONDS, Throttle
from bot.desk.pages import safe_next
from bot.storage.models import User
from tests.desk.office import PASSWORD, Office, enter, office_of, token_of


async def test_the_right_password_opens_the_desk(office: Office) -> None:
    """After signing in the queue is shown; the cookie cannot be read by scripts or sent by other sites."""
    async with office.client() as client:
        answer = await enter(client, "ANA ", PASSWORD)
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=lax" in cookie and "max-age=43200" in cookie
        page = await client.get("/desk")
        assert page.status_code == 200 and "Ana Prieto" in page.text


async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(office: Office) -> None:
    """Nobody learns which names exist, and nobody gets in."""
    async with office.client() as client:
        wrong = await enter(client, "ana", "not her password")
        unknown = await enter(client, "nobody", "not her password")
        assert wrong.status_code == unknown.status_code == 401
        assert "The user name or the password is wrong." in wrong.text
        assert "The user name or the password is wrong." in unknown.text
        assert (await client.get("/desk")).headers["location"] == "/desk/sign-in"


async def test_after_five_wrong_tries_even_the_right_password_must_wait(office: Office) -> None:
    """Guessing is stopped; another name at the same address is not."""
    async with office.client() as client:
        for _ in range(TRIES):
            assert (await enter(client, "ana", "wrong")).status_code == 401
        blocked = await enter(client, "ana", PASSWORD)
        assert blocked.status_code == 429
        assert int(blocked.headers["retry-after"]) <= WINDOW_SECONDS
        assert "15 min" in blocked.text
        assert (await enter(client, "lars", PASSWORD)).status_code == 303


def test_the_throttle_forgets_after_its_window_and_on_success() -> None:
    """Waiting ends by itself, and the right password clears the slate."""
    clock = [0.0]
    throttle = Throttle(lambda: clock[0])
    for second in range(TRIES):
        clock[0] = float(second)
        throttle.count("ana", "::1")
    assert throttle.wait_seconds("ana", "::1") == WINDOW_SECONDS - (TRIES - 1)
    assert throttle.wait_seconds("ana", "::2") == 0
    clock[0] = WINDOW_SECONDS
    assert throttle.wait_seconds("ana", "::1") == 0
    throttle.count("ana", "::1")
    assert throttle.wait_seconds("ana", "::1") > 0
    throttle.forgive("ana", "::1")
    assert throttle.wait_seconds("ana", "::1") == 0


async def test_a_forged_cookie_is_worth_nothing(office: Office) -> None:
    """A cookie with a changed byte, and one signed with another key, lead to the sign-in page."""
    async with office.signed_in("ana") as client:
        good = client.cookies[COOKIE]
        body, dot, signature = good.rpartition(".")
        flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
        for forged in (body + dot + flipped, "eyJ1IjozfQ" + dot + signature, body, "x"):
            async with office.client() as other:
                other.cookies.set(COOKIE, forged)
                assert (await other.get("/desk")).status_code == 303


async def test_a_cookie_ends_after_twelve_hours(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old session does not open the desk."""
    async with office.signed_in("ana") as client:
        monkeypatch.setattr(auth, "LIFETIME_SECONDS", -1)
        assert (await client.get("/desk")).status_code == 303


@pytest.mark.parametrize("change", ["session_version", "active"])
async def test_a_session_ends_when_the_password_changes_or_the_user_leaves(office: Office, change: str) -> None:
    """The cookie holds the session's version; a higher one, or a switched-off account, ends it."""
    async with office.signed_in("ana") as client:
        async with office.database.begin() as session:
            user = await session.get_one(User, office.people["ana"].id)
            if change == "active":
                user.active = False
            else:
                user.session_version += 1
        assert (await client.get("/desk")).status_code == 303


async def test_signing_out_forgets_the_session(office: Office) -> None:
    """After signing out the desk asks for the password again."""
    async with office.signed_in("ana") as client:
        token = token_of(await client.get("/desk"))
        assert (await client.post("/desk/sign-out", data={"token": token})).status_code == 303
        assert (await client.get("/desk")).status_code == 303


async def test_signing_in_leads_to_the_page_that_was_asked_for(office: Office) -> None:
    """The address survives signing in; an address elsewhere does not."""
    async with office.client() as client:
        asked = await client.get("/desk/tickets?status=open")
        assert asked.headers["location"] == "/desk/sign-in?next=/desk/tickets%3Fstatus%3Dopen"
        answer = await enter(client, "ana", PASSWORD, next="/desk/tickets?status=open")
        assert answer.headers["location"] == "/desk/tickets?status=open"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/desk",
        "//evil.example/desk",
        "/desk\\@evil.example",
        "/deskevil",
        "javascript:1",
        "/desk/sign-out",
        "",
    ],
)
def test_nobody_is_led_away_from_the_desk(target: str) -> None:
    """``next`` takes one nowhere but to a page of the desk."""
    assert safe_next(target) == "/desk"


async def test_every_form_needs_its_token(office: Office) -> None:
    """A post without a token, or with another session's, changes nothing and is refused with a page."""
    talk = await office.writes("Tom", "hello")
    await office.waits(talk)
    async with office.signed_in("ana") as client, office.signed_in("lars") as other:
        stolen = token_of(await other.get("/desk"))
        ticket = await office.complains(talk, "broken")
        for address in (
            f"/desk/conversations/{talk}/claim",
            f"/desk/conversations/{talk}/reply",
            f"/desk/tickets/{ticket.id}/status",
            "/desk/language",
            "/desk/sign-out",
            "/desk/sign-in",
        ):
            for token in ({}, {"token": ""}, {"token": stolen}, {"token": "é"}):
                answer = await client.post(address, data=token | {"text": "x", "status": "open", "language": "es"})
                assert answer.status_code == 403, address
                assert "The form is too old" in answer.text
        assert "Waiting: 1" in (await client.get("/desk")).text


async def test_a_form_that_is_far_too_large_is_refused(office: Office) -> None:
    """The desk does not read megabytes into memory."""
    async with office.client() as client:
        answer = await client.post("/desk/sign-in", data={"username": "x" * 300_000})
        assert answer.status_code == 413


async def test_every_answer_carries_the_security_headers(office: Office) -> None:
    """Pages, redirects, errors and static files: no foreign scripts, no framing, no sniffing."""
    async with office.signed_in("ana") as client:
        for address in ("/desk", "/desk/nothing", "/desk/surveys", "/desk/static/desk.js", "/desk/static/none"):
            headers = (await client.get(address)).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"
        assert (await client.get("/desk")).headers["cache-control"] == "no-store"


async def test_behind_https_the_cookie_never_travels_in_the_clear(office: Office) -> None:
    """With an https address the cookie is marked Secure."""
    web = office.config.settings.web.model_copy(update={"public_url": "https://desk.example.com"})
    settings = office.config.settings.model_copy(update={"web": web})
    secure = office_of(replace(office.config, settings=settings), office.database)
    async with secure.client() as client:
        assert "; Secure" in (await client.get("/desk/sign-in")).headers["set-cookie"]


async def test_the_language_is_chosen_once_and_kept(office: Office) -> None:
    """Each user reads the desk in their own language; the sign-in page follows the browser."""
    async with office.signed_in("ana") as client:
        token = token_of(await client.get("/desk"))
        answer = await client.post("/desk/language", data={"token": token, "language": "es", "next": "/desk/tickets"})
        assert answer.headers["location"] == "/desk/tickets"
        page = await client.get("/desk")
        assert '<html lang="es"' in page.text and "No hay nadie esperando." in page.text
    async with office.client() as client:
        page = await client.get("/desk/sign-in", headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})
        assert '<html lang="zh-Hans"' in page.text


def test_the_cookie_lives_twelve_hours() -> None:
    """The lifetime that the handbook promises."""
    assert timedelta(seconds=auth.LIFETIME_SECONDS) == timedelta(hours=12)
