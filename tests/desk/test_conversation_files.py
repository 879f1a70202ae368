"""Files in a conversation: sent by agents, shown only as what their bytes are."""

from __future__ import annotations

import html

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from bot.desk import uploads
from bot.desk.files import AUDIO, INLINE, PDF, sniff
from bot.storage.models import FileStatus, Message, Outbox, StoredFile
from tests.desk.office import PIXEL, Office, token_of

WEBP = b"RIFF\x24\x00\x00\x00WEBPVP8 "
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "
EVIL = b"<script>document.title='owned'</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'


@pytest.mark.parametrize(
    ("head", "mime"),
    [
        (PIXEL, "image/png"), (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"), (b"GIF89a\x01\x00", "image/gif"),
        (WEBP, "image/webp"), (WAV, "audio/wav"), (b"OggS\x00\x02", "audio/ogg"), (b"ID3\x04", "audio/mpeg"),
        (b"\x00\x00\x00\x20ftypM4A ", "audio/mp4"), (b"%PDF-1.7", PDF),
        (b"", ""), (EVIL, ""), (SVG, ""), (b" \x89PNG\r\n\x1a\n", ""), (b"RIFF\x24\x00\x00\x00AVI ", ""),
        (b"\x00\x00\x00\x20ftypisom", ""), (b"<!doctype html>", ""),
    ],
)  # fmt: skip
def test_a_file_is_what_its_bytes_say(head: bytes, mime: str) -> None:
    """The signatures of the few types that are shown in place, and nothing else."""
    assert sniff(head[:16]) == mime


@given(st.binary(max_size=16))
def test_nothing_that_a_browser_runs_is_ever_shown(head: bytes) -> None:
    """Whatever the bytes: the type is one of the few, never markup or a script."""
    assert sniff(head) in INLINE | AUDIO | {PDF, ""}
    assert sniff(b"<" + head) == ""


async def test_lying_files_are_only_offered_for_saving(office: Office) -> None:
    """Markup that calls itself a picture is not served as one; a picture under another type is shown as what it is."""
    liars = [
        office.attachment("photo.png", "image/png", EVIL, "photo"),
        office.attachment("drawing.jpg", "image/jpeg", SVG, "photo"),
        office.attachment("page.html", "text/html", EVIL),
        office.attachment("real.bin", "text/html", PIXEL),
        office.attachment("voice.mp3", "application/x-msdownload", b"ID3\x04" + b"\x00" * 100),
        office.attachment("bill.png", "image/png", b"%PDF-1.7 bill"),
    ]
    talk = await office.writes("Tom", "look", files=tuple(liars))
    async with office.signed_in("ana") as client:
        page = html.unescape((await client.get(f"/desk/conversations/{talk}")).text)
        answers = [await client.get(f"/desk/files/{number}") for number in range(1, 7)]
    types = [(answer.headers["content-type"], answer.headers["content-disposition"][:6]) for answer in answers]
    saved = ("application/octet-stream", "attach")
    assert types == [saved, saved, saved, ("image/png", "inline"), ("audio/mpeg", "inline"), saved]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    shown = page[page.index('class="files"') :]
    assert shown.count('class="picture"') == 1 and 'src="/desk/files/4"' in shown
    assert '<audio controls preload="none" src="/desk/files/5"' in shown
    assert "PDF</span> <bdi>bill.png" in shown and 'href="/desk/files/1" download' in shown
    ticket = (await office.complains(talk, "look")).id
    async with office.database.begin() as session:
        await session.execute(update(StoredFile).values(ticket_id=ticket))
    async with office.signed_in("ana") as client:
        shown = html.unescape((await client.get(f"/desk/tickets/{ticket}")).text)
    assert shown.count('class="picture"') == 1 and 'src="/desk/files/4"' in shown
    assert '<audio controls preload="none" src="/desk/files/5"' in shown and "PDF</span> <bdi>bill.png" in shown


async def send(client: httpx.AsyncClient, talk: int, name: str, data: bytes, **fields: str) -> httpx.Response:
    """Reply with a file."""
    token = token_of(await client.get(f"/desk/conversations/{talk}"))
    return await client.post(
        f"/desk/conversations/{talk}/reply",
        data={"token": token, "text": ""} | fields,
        files={"file": (name, data, "application/x-whatever")},
    )


async def test_an_agent_sends_a_file(office: Office) -> None:
    """It is stored, leaves with the words, and is shown in the transcript; without words under its name."""
    talk = await office.writes("Tom", "a photo please")
    await office.waits(talk)
    async with office.signed_in("ana") as client:
        assert (await send(client, talk, "C:\\pics\\..\\shoe\u202e.png", PIXEL, text="Here it is")).status_code == 303
        assert (await send(client, talk, "terms.txt", "Zoë's terms".encode())).status_code == 303
        page = html.unescape((await client.get(f"/desk/conversations/{talk}")).text)
        picture = await client.get("/desk/files/1")
    assert picture.content == PIXEL and 'alt="Picture: shoe.png"' in page and "<bdi>terms.txt</bdi>" in page
    async with office.database.read() as session:
        first, second = (await session.scalars(select(Outbox).order_by(Outbox.id))).all()
        rows = (await session.scalars(select(StoredFile).order_by(StoredFile.id))).all()
        words = [row.text for row in await session.scalars(select(Message).order_by(Message.id))]
    assert words == ["a photo please", "Here it is", "terms.txt"]
    (media,) = first.body["media"]
    assert (media["name"], media["mime"], media["path"]) == ("shoe.png", "image/png", rows[0].path)
    assert (office.config.files_dir / media["path"]).read_bytes() == PIXEL
    assert (second.body["text"], second.body["media"][0]["mime"]) == ("terms.txt", "text/plain")
    assert {row.status for row in rows} == {FileStatus.STORED} and {row.conversation_id for row in rows} == {talk}


async def test_files_that_are_not_taken_leave_nothing_behind(office: Office) -> None:
    """Too large, empty, or to a conversation of a colleague: told in words, and no byte is kept."""
    talk = await office.writes("Tom", "hello")
    await office.waits(talk)
    async with office.signed_in("ana") as client:
        answer = await send(client, talk, "big.bin", b"x" * (uploads.MAX_UPLOAD_BYTES + 1))
        assert answer.status_code == 413 and "at most 10 MB" in answer.text
        answer = await send(client, talk, "huge.bin", b"x" * (uploads.MAX_UPLOAD_BYTES * 2))
        assert answer.status_code == 413 and "at most 10 MB" in answer.text
        answer = await send(client, talk, "empty.bin", b"")
        assert answer.status_code == 413 and "The file is empty" in answer.text
        await office.claims(talk, "lars")
        answer = await send(client, talk, "small.png", PIXEL, text="my words")
        assert answer.status_code == 409 and "Lars de Wit has it" in answer.text
        assert ">my words</textarea>" in answer.text
        fits = await send(client, talk, "fits.bin", b"x" * uploads.MAX_UPLOAD_BYTES)
        assert fits.status_code == 409
    folder = office.config.files_dir / "attachments"
    assert not folder.exists() or list(folder.iterdir()) == []
    async with office.database.read() as session:
        assert (await session.scalars(select(Outbox))).all() == []


async def test_strange_multipart_forms_are_refused(office: Office) -> None:
    """Without a token, with a broken body or too many parts nothing happens."""
    talk = await office.writes("Tom", "hello")
    await office.waits(talk)
    address = f"/desk/conversations/{talk}/reply"
    async with office.signed_in("ana") as client:
        assert (await client.post(address, files={"file": ("a.png", PIXEL)})).status_code == 403
        for body, kind in (
            (b"nonsense", "multipart/form-data; boundary=x"), (b"--x\r\n\r\n", "multipart/form-data"),
            (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
        ):  # fmt: skip
            answer = await client.post(address, content=body, headers={"content-type": kind})
            assert answer.status_code in (400, 403), (body, answer.status_code)
        many = {f"f{number}": ("a.png", PIXEL) for number in range(5)}
        assert (await client.post(address, files=many)).status_code == 400
    async with office.database.read() as session:
        assert (await session.scalars(select(Outbox))).all() == []
