"""Texts as every database stores them."""

from __future__ import annotations

import unicodedata


def clean(text: str) -> str:
    """A text that every database stores: NUL and lone surrogates become U+FFFD, form NFC."""
    if text.isascii() and "\x00" not in text:
        return text
    text = text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return unicodedata.normalize("NFC", text)
