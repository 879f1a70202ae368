"""Which of the configured languages a text is in: its script decides, or else a detector among them."""

from collections.abc import Callable, Iterable, Sequence

from nlu.scripts import LANGUAGES, chinese_evidence, main_script

Rank = Callable[[str], Iterable[tuple[str, float]]]
"""A detector: (ISO 639 code, probability) pairs for a text, best first."""


def identify(text: str, languages: Sequence[str], rank: Rank) -> tuple[str, float]:
    """The language and how sure that is; ``("", 0.0)`` when the text does not say.

    Args:
        text: cleaned of what is invisible.
        languages: the codes to choose from (``zh-Hans``); empty for all that the detector knows.
        rank: asked when the script leaves several.
    """
    script = main_script(text)
    if not script:
        return "", 0.0
    written = LANGUAGES.get(script)
    if script == "Han":
        return _chinese(text, languages)
    if not languages:
        allowed: list[str] = []
    elif written is not None:
        allowed = [code for code in languages if _base(code) in written]
    else:
        others = {base for bases in LANGUAGES.values() for base in bases}
        allowed = [code for code in languages if _base(code) not in others]
    if languages and not allowed:
        return "", 0.0
    if len(allowed) == 1 and written is not None:
        return allowed[0], 1.0
    return _detected(text, allowed, rank)


def _base(code: str) -> str:
    return code.split("-")[0]


def _chinese(text: str, languages: Sequence[str]) -> tuple[str, float]:
    """Chinese characters without kana: Chinese, unless Japanese alone is spoken or fits better."""
    simplified, traditional, japanese = chinese_evidence(text)
    kinds = [code for code in languages if _base(code) == "zh"] if languages else ["zh-Hans", "zh-Hant"]
    if "ja" in languages and (not kinds or japanese > simplified + traditional):
        return "ja", 0.9
    if len(kinds) < 2:
        return (kinds[0], 1.0) if kinds else ("", 0.0)
    wanted = [code for code in kinds if _traditional(code) == (traditional > simplified)]
    sure = 1.0 if traditional != simplified else 0.5
    return (wanted or kinds)[0], sure


def _traditional(code: str) -> bool:
    return any(part in code for part in ("Hant", "TW", "HK", "MO"))


def _detected(text: str, allowed: Sequence[str], rank: Rank) -> tuple[str, float]:
    # Norwegian is "no" to some and Bokmål, "nb", to others.
    same = {"nb": "no"}
    by_base = {same.get(_base(code), _base(code)): code for code in reversed(allowed)}
    ranked = [
        (by_base.get(code, "" if allowed else code), share)
        for code, share in ((same.get(code, code), share) for code, share in rank(text))
    ]
    ranked = [(code, share) for code, share in ranked if code]
    total = sum(share for _, share in ranked)
    if not total:
        return (allowed[0], round(1 / len(allowed), 4)) if allowed else ("", 0.0)
    return ranked[0][0], round(ranked[0][1] / total, 4)
