"""Numbers and addresses in a text: e-mails, order, tracking, ticket and telephone numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from nlu import lexicon
from nlu.found import Found
from nlu.phrases import UNSPACED, fold_same_length

_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+@-])[A-Za-z0-9](?:[A-Za-z0-9._%+'-]{0,62}[A-Za-z0-9_+-])?"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}(?![A-Za-z0-9@])"
)
URL = re.compile(r"(?:https?://|www\.)[!-~]+")
_UPS = re.compile(r"(?<![A-Za-z0-9])1Z(?:[ -]?[0-9A-Z]){16}(?![A-Za-z0-9])", re.IGNORECASE)
_UPU = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2} ?\d{3} ?\d{3} ?\d{3} ?[A-Z]{2}(?![A-Za-z0-9])", re.IGNORECASE)
_CARRIER = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2,4}\d{12,18}(?![A-Za-z0-9])", re.IGNORECASE)
_LONG_DIGITS = re.compile(r"(?<![A-Za-z0-9.+-])\d(?:[ -]?\d){9,21}(?![A-Za-z0-9]|-\d)")
_TICKET = re.compile(r"(?<![A-Za-z0-9-])T ?[-\u2010-\u2015] ?(\d{3,10})(?![A-Za-z0-9]|-\d)", re.IGNORECASE)
_TICKET_PLAIN = re.compile(r"(?<![A-Za-z0-9-])T(0\d{5})(?![A-Za-z0-9]|-\d)", re.IGNORECASE)
_PHONE = re.compile(r"(?<![A-Za-z0-9@._/#-])(?:\+|00)?[(]?\d[\d\s().\u00a0\u2010-\u2015/-]{4,22}\d(?![A-Za-z0-9@]|-\d)")
_DIGITS = re.compile(r"\D")
_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)
_CONTEXT = 24
_UNCERTAIN = 0.6
_PHONE_LENGTHS = range(7, 16)
_NATIONAL = 9
_WITH_COUNTRY = 11
_WHOLE = 4
_GLUED = re.compile(
    r"^(?:order|orders|orden|pedido|compra|commande|bestellung|auftrag|encomenda|ordine|siparis|num|numero|nummer|no|nr)"
    r"[-#:]?(?=\d)",
    re.IGNORECASE,
)


def upu_is_valid(number: str) -> bool:
    """Whether an S10 number such as RR123456785CN has the right check digit."""
    digits = [int(char) for char in number[2:11]]
    check = 11 - sum(weight * digit for weight, digit in zip(_WEIGHTS, digits, strict=False)) % 11
    return digits[8] == {10: 0, 11: 5}.get(check, check)


def ups_is_valid(number: str) -> bool:
    """Whether a UPS number (1Z and 16 characters) has the right check digit."""
    total = 0
    for index, char in enumerate(number[2:17]):
        value = int(char) if char.isdigit() else (ord(char) - 63) % 10
        total += value * (2 if index % 2 else 1)
    return number[17].isdigit() and (10 - total % 10) % 10 == int(number[17])


def _before(folded: str, start: int) -> str:
    return folded[max(0, start - _CONTEXT) : start]


class NumberFinder:
    """Finds addresses and numbers.

    Args:
        order_pattern: the merchant's order numbers, a regular expression matched without case.
        order_example: one of them; digits in exactly its form are an order number, not a phone's.
        country: where telephone numbers without a country code are from.
        languages: whose speakers' countries are tried next.
    """

    def __init__(self, order_pattern: str, order_example: str, country: str, languages: Sequence[str]) -> None:
        self._whole = re.compile(order_pattern, re.IGNORECASE)
        self._order = re.compile(
            rf"(?<![\w@.-])(?:{order_pattern})(?![\w@]|-\w|[.,]\d{{1,2}}(?!\d))", re.IGNORECASE | re.ASCII
        )
        self._shape = _shape(order_example) if order_example else ""
        self._country = country
        bases = dict.fromkeys(language.split("-")[0] for language in languages)
        self._countries = {base: lexicon.COUNTRIES.get(base, ()) for base in bases}
        self._context = {
            kind: _context(words)
            for kind, words in (
                ("phone", lexicon.PHONE_CONTEXT),
                ("order", lexicon.ORDER_CONTEXT),
                ("tracking", lexicon.TRACKING_CONTEXT),
                ("postcode", lexicon.POSTCODE_CONTEXT),
            )
        }

    def emails(self, text: str) -> Iterator[Found]:
        """E-mail addresses, in lower case."""
        for match in _EMAIL.finditer(text):
            yield Found("email", match[0].lower(), *match.span())

    def carriers(self, text: str) -> Iterator[Found]:
        """Tracking numbers whose form no order number has; less sure with a wrong check digit."""
        for pattern, is_valid in ((_UPS, ups_is_valid), (_UPU, upu_is_valid)):
            for match in pattern.finditer(text):
                number = re.sub(r"[ -]", "", match[0]).upper()
                if pattern is _UPU and " " in match[0] and not is_valid(number):
                    continue
                yield Found("tracking_number", number, *match.span(), 1.0 if is_valid(number) else _UNCERTAIN)
        for match in _CARRIER.finditer(text):
            if not self._whole.fullmatch(match[0]):
                yield Found("tracking_number", match[0].upper(), *match.span(), 0.9)

    def tickets(self, text: str) -> Iterator[Found]:
        """Ticket numbers, as T- and six digits."""
        for pattern in (_TICKET, _TICKET_PLAIN):
            for match in pattern.finditer(text):
                yield Found("ticket_number", f"T-{match[1].lstrip('0').zfill(6)}", *match.span())

    def phones(self, text: str, folded: str, language: str = "") -> Iterator[Found]:
        """Telephone numbers, in international form where the country is certain, else the digits."""
        for match in _PHONE.finditer(text):
            raw, digits, start = match[0], _DIGITS.sub("", match[0]), match.start()
            if len(digits) not in _PHONE_LENGTHS:
                continue
            context = _before(folded, start)
            if raw.startswith("+") or (raw.startswith("00") and len(digits) >= _WITH_COUNTRY):
                number = _parsed("+" + digits.removeprefix("00"), "ZZ")
                value = _e164(number) if number else "+" + digits.removeprefix("00")
            elif self._says(context, "phone") or self._looks_like_phone(raw, digits, context):
                value = self._national(raw, digits, language)
            else:
                continue
            yield Found("phone", value, start, match.end())

    def _looks_like_phone(self, raw: str, digits: str, context: str) -> bool:
        """Whether a number without a country code is a telephone number although nothing says so."""
        if self._says(context, "order") or _shape(raw) == self._shape:
            return False
        numbers = [number for country in self._countries_of("") if (number := _parsed(raw, country))]
        if raw.isdigit():
            return any(map(_is_mobile, numbers))
        if not set(raw) & {" ", "("} and self._whole.fullmatch(raw):
            # 080-1234-5678 could be either; no shop's order numbers begin and are grouped like that.
            return raw.startswith("0") and raw.count("-") > 1 and bool(numbers)
        return bool(numbers) or (raw[0] in "0(" and len(digits) >= _NATIONAL)

    def _national(self, raw: str, digits: str, language: str) -> str:
        """International form if just one country of this shop and language writes its numbers so."""
        fitting = {
            _e164(number)
            for country in (self._countries_of(language) if language else (self._country,))
            if (number := _parsed(raw, country))
            and _DIGITS.sub("", phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)) == digits
        }
        return fitting.pop() if len(fitting) == 1 else digits

    def _countries_of(self, language: str) -> tuple[str, ...]:
        """The shop's country, then those of a language, of all configured ones if it is unknown."""
        own = self._countries.get(language.split("-")[0]) or tuple(
            country for found in self._countries.values() for country in found
        )
        return tuple(dict.fromkeys([self._country, *own]))

    def orders(self, text: str, folded: str) -> Iterator[Found]:
        """Order numbers, in capitals; not what is called a postcode."""
        for match in self._order.finditer(text):
            start, number = match.start(), match[0]
            if glued := _GLUED.match(number):
                rest = number[glued.end() :]
                if not self._whole.fullmatch(rest):
                    continue
                start, number = start + glued.end(), rest
            context = _before(folded, start)
            if number.isdigit() and self._says(context, "postcode") and not self._says(context, "order"):
                continue
            yield Found("order_number", number.upper(), start, match.end())

    def long_digits(self, text: str, folded: str) -> Iterator[Found]:
        """Tracking numbers of digits alone: too long for an order number, or named as one."""
        for match in _LONG_DIGITS.finditer(text):
            digits = re.sub(r"[ -]", "", match[0])
            if self._says(_before(folded, match.start()), "tracking") or not self._whole.fullmatch(digits):
                yield Found("tracking_number", digits, *match.span(), 0.9)

    def _says(self, context: str, kind: str) -> bool:
        return bool(self._context[kind].search(context))


def _context(words: Sequence[str]) -> re.Pattern[str]:
    """Words, or beginnings of words; a short word must be whole, or "tel" would be in "tell"."""
    parts = []
    for word in map(fold_same_length, words):
        left = rf"(?<![^\W{UNSPACED}])" if word.isalpha() and word[0].isalpha() else ""
        right = rf"(?![^\W\d_{UNSPACED}])" if word.isascii() and len(word) <= _WHOLE else ""
        parts.append(left + re.escape(word) + (right if word.isalpha() else ""))
    return re.compile("|".join(parts))


def _parsed(raw: str, country: str) -> phonenumbers.PhoneNumber | None:
    """A valid telephone number, None for anything else."""
    try:
        number = phonenumbers.parse(raw, country)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None


def _e164(number: phonenumbers.PhoneNumber) -> str:
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))


def _is_mobile(number: phonenumbers.PhoneNumber) -> bool:
    return phonenumbers.number_type(number) in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)


def _shape(text: str) -> str:
    return re.sub(r"[A-Za-z]", "A", re.sub(r"\d", "0", text))
