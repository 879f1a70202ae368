"""Why a message was taken for a language: each sentence of the recogniser has words in every language of the desk."""

from __future__ import annotations

import ast
import re

import pytest

from bot.desk.reasons import SENTENCES, said
from bot.words import Words, languages
from tests.conftest import ROOT
from tests.desk.office import Office, token_of

# Where sentences are made, and what stands for the parts that are filled in.
MADE = ("nlu/language.py", "nlu/recognizers/embedded.py", "bot/language_choice.py", "actions/language.py")
PARTS = {
    "count": "3", "simplified + traditional": "3", "kind": "simplified", "name": "Cyrillic letters",
    "best or candidates[0]": "uk", "_name(found)": "French", "_name(best)": "Chinese (Simplified)",
    "_name(code)": "Chinese (Simplified)",
    "guess.reason": "no words to judge by", "other.reason": "Japanese kana",
    "sure": "97%", "familiar": "97%", "probability": "97%", "script": "Greek",
}  # fmt: skip


def _text(node: ast.expr) -> str | None:
    """A string of the code, with its parts filled in; None for what is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else PARTS[ast.unparse(part.value)]  # type: ignore[attr-defined]
            for part in node.values
        )
    return None


def sentences() -> set[str]:
    """All that the code gives as a reason."""
    found: set[str | None] = {"Chinese characters", "Japanese kana", "Korean letters", "Cyrillic letters"}
    for path in MADE:
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                found |= {_text(item.value) for item in node.keywords if item.arg == "reason"}
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith(("language_reason", "reason")):
                found.add(_text(node.value))
            elif isinstance(node, ast.FunctionDef) and node.name == "choose_language":
                returns = [item.value for item in ast.walk(node) if isinstance(item, ast.Return)]
                found |= {_text(item.elts[2]) for item in returns if isinstance(item, ast.Tuple)}
    return {text for text in found if text}


def test_every_sentence_is_known_and_is_said_in_every_language() -> None:
    """What the code says is what the catalogue says in English; elsewhere it is said otherwise."""
    made = sentences()
    assert len(made) >= 25
    for text in made:
        assert any(re.fullmatch(pattern, text) for pattern in SENTENCES.values()), text
        assert said(Words("en", "UTC"), text) == text.replace("uk", "Ukrainian"), text
        for language in set(languages()) - {"en"}:
            assert said(Words(language, "UTC"), text) != text or text.startswith("detector"), (language, text)


@pytest.mark.parametrize(
    ("text", "spanish", "chinese"),
    [
        ("first message: 97% of the words are known in French",
         "primer mensaje: palabras conocidas: 97\xa0% (francés)", "首条消息：97% 的词是法语中已知的"),
        ("Cyrillic letters, most like uk",
         "alfabeto: cirílico; lo más parecido: ucraniano", "西里尔文字母，最接近乌克兰语"),
        ("changed: 2 traditional characters", "cambio: caracteres tradicionales: 2", "已切换：2 个繁体字"),
        ("something of an earlier version", "something of an earlier version", "something of an earlier version"),
    ],
)  # fmt: skip
def test_parts_are_said_in_the_readers_way(text: str, spanish: str, chinese: str) -> None:
    """Languages, scripts and shares too; what is not known stays as it is."""
    assert said(Words("es", "UTC"), text) == spanish
    assert said(Words("zh-Hans", "UTC"), text) == chinese


async def test_a_spanish_desk_says_why_in_spanish(office: Office) -> None:
    """Under the message and at its side."""
    talk = await office.writes("Tom", "hello")
    async with office.signed_in("ana") as client:
        token = token_of(await client.get("/desk"))
        await client.post("/desk/language", data={"token": token, "language": "es"})
        page = (await client.get(f"/desk/conversations/{talk}")).text
    assert "<dd>estadística: 0.97</dd>" in page and "primer mensaje: estadística: 0.97" in page
