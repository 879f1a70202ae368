"""Numbers and addresses in a text: e-mails, order, tracking, ticket and telephone numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from nlu import lexicon
from nlu.found import Found
from nlu.phrases import UNSPACED, alternatives, fold_same_length

_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+@-])[A-Za-z0-9](?:[A-Za-z0-9._%+'-]{0,62}[A-Za-z0-9_+-])?"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}(?![A-Za-z0-9@])"
)
URL = re.compile(r"(?:https?://|www\.)[!-~]+")
_UPS = re.compile(r"(?<![A-Za-z0-9])1Z(?:[ -]?[0-9A-Z]){16}(?![A-Za-z0-9])", re.IGNORECASE | re.ASCII)
_UPU = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2} ?\d{3} ?\d{3} ?\d{3} ?[A-Z]{2}(?![A-Za-z0-9])", re.IGNORECASE | re.ASCII)
_CARRIER = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2,4}\d{12,18}(?![A-Za-z0-9])", re.IGNORECASE | re.ASCII)
_LONG_DIGITS = re.compile(r"(?<![A-Za-z0-9.+-])\d(?:[ -]?\d){9,21}(?![A-Za-z0-9]|-\d)")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![A-Za-z0-9])", re.IGNORECASE | re.ASCII)
_CARD = re.compile(r"(?<![A-Za-z0-9.+-])[2-6](?:[ -]?\d){12,18}(?![A-Za-z0-9]|-\d)")
_ISSUERS = re.compile(r"4|5[0-8]|6|3[0-9]|2[2-7]")
# Tax numbers whose form says what they are: CNPJ and CPF, a Spanish NIF, a Dutch VAT number.
_TAX = re.compile(
    r"(?<![\w.-])(?:\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}|\d{3}\.\d{3}\.\d{3}-\d{2}|(?P<nif>\d{8}-?[A-Za-z])|NL ?\d{9}B\d{2})"
    r"(?![\w-])",
    re.IGNORECASE,
)
# Kinds of tax numbers that in small letters are words of some language.
_ALSO_WORDS = frozenset({"nie", "cif", "siren", "pan", "rut", "nit"})
_NIF = "TRWAGMYFPDXBNJZSQVHLCKE"
_NUMBER_LIKE = re.compile(r"(?<![\w@])[A-Z]{0,4}[\d][\d A-Z./-]{4,20}[\dA-Z](?![\w@])", re.IGNORECASE)
_GROUPS = re.compile(
    r"(?<![A-Za-z0-9@.+/-])\d{1,6}(?:([ .\u00a0\u2010-\u2015-])\d{2,6})(?:\1\d{2,6}){0,2}(?![\w@%€$£]|[.,/-]?\d)"
)
_LONE = re.compile(r"^[\s#№]*$")
_TICKET = re.compile(r"(?<![A-Za-z0-9-])T ?[-\u2010-\u2015] ?(\d{3,10})(?![A-Za-z0-9]|-\d)", re.IGNORECASE | re.ASCII)
_TICKET_PLAIN = re.compile(r"(?<![A-Za-z0-9-])T(0\d{5})(?![A-Za-z0-9]|-\d)", re.IGNORECASE | re.ASCII)
_PHONE = re.compile(r"(?<![A-Za-z0-9@._/#-])(?:\+|00)?[(]?\d[\d\s().\u00a0\u2010-\u2015/-]{4,22}\d(?![A-Za-z0-9@]|-\d)")
_DIGITS = re.compile(r"\D")
_ARABIC = re.compile(r"[\u0600-\u06ff]")
_GROUP = re.compile(r"\d+")
_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)
_CONTEXT = 24
_NEAR = 40
_UNCERTAIN, _DOUBTFUL = 0.6, 0.4
_PHONE_LENGTHS = range(7, 16)
_NATIONAL = 9
_WITH_COUNTRY = 11
_WHOLE = 4
_SHORTEST_IBAN, _BETWEEN, _BESIDE = 15, 3, 12
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


def iban_is_valid(number: str) -> bool:
    """Whether an account number has the right check digits (ISO 7064, modulo 97)."""
    moved = number[4:] + number[:4]
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


def card_is_valid(digits: str) -> bool:
    """Whether digits are a payment card's: of a known kind of issuer, with the right check digit (Luhn)."""
    total = 0
    for index, char in enumerate(reversed(digits)):
        value = int(char) * (2 if index % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0 and bool(_ISSUERS.match(digits))


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
        self._countries = {
            key: lexicon.COUNTRIES[key]
            for language in languages
            for key in (language, language.split("-")[0])
            if key in lexicon.COUNTRIES
        }
        self._context = {
            kind: _context(words)
            for kind, words in (
                ("phone", lexicon.PHONE_CONTEXT),
                ("order", lexicon.ORDER_CONTEXT),
                ("tracking", lexicon.TRACKING_CONTEXT),
                ("postcode", lexicon.POSTCODE_CONTEXT),
            )
        }
        number = (
            r"\s*(?:n[o°º]?\.?|nr\.?|num(?:mer|ero|ber)?|numara(?:sı)?|id|номер|رقم|नंबर|号|號|番号|번호)?\s*[:#№]?\s*"
        )
        self._tickets = (
            re.compile(rf"{alternatives(lexicon.TICKET_CONTEXT)}{number}(?P<digits>\d{{3,10}})(?![\w@]|[.,-]?\d)"),
            re.compile(rf"{alternatives(lexicon.CASE_CONTEXT)}{number}(?P<digits>0\d{{5}})(?![\w@]|[.,-]?\d)"),
        )
        self._tax = re.compile(alternatives(lexicon.TAX_CONTEXT) + r"(?!-\w)")

    def emails(self, text: str) -> Iterator[Found]:
        """E-mail addresses, in lower case."""
        for match in _EMAIL.finditer(text):
            yield Found("email", match[0].lower(), *match.span())

    def private(self, text: str, folded: str) -> Iterator[Found]:
        """Account, card and tax numbers, which are none of this shop's: places that nothing else may take."""
        for match in _IBAN.finditer(text):
            number = re.sub(r"\s", "", match[0]).upper()
            end = match.end()
            # A word after the number looks like its last group.
            while len(number) > _SHORTEST_IBAN and not iban_is_valid(number):
                cut = text[match.start() : end].rfind(" ")
                if cut < 0:
                    break
                end = match.start() + cut
                number = re.sub(r"\s", "", text[match.start() : end]).upper()
            if len(number) >= _SHORTEST_IBAN and iban_is_valid(number):
                yield Found("", "", match.start(), end)
        for match in _CARD.finditer(text):
            named = self._says(_before(folded, match.start()), "tracking")
            if not named and card_is_valid(_DIGITS.sub("", match[0])):
                yield Found("", "", *match.span())
        for match in _TAX.finditer(text):
            nif = match["nif"]
            if nif and _NIF[int(nif[:8]) % len(_NIF)] != nif[-1].upper():
                continue
            if not self._says(_before(folded, match.start()), "order"):
                yield Found("", "", *match.span())
        for word in self._tax.finditer(folded):
            like = _NUMBER_LIKE.search(text, word.end(), word.end() + _NEAR)
            if like is None or len(text[word.end() : like.start()].split()) > _BETWEEN:
                continue
            if _shape(like[0]) == self._shape or (word[0] in _ALSO_WORDS and not text[slice(*word.span())].isupper()):
                continue
            end = like.end() if like[0][0].isdigit() else like.start() + len(like[0].split(" ")[0])
            if not self._says(folded[word.end() : like.start()], "order"):
                yield Found("", "", like.start(), end)

    def carriers(self, text: str, folded: str) -> Iterator[Found]:
        """Tracking numbers whose form no order number has.

        One with a wrong check digit has most likely been mistyped. It is less sure, and still less without a
        word for tracking beside it; in groups and without such a word it is nothing.
        """
        for pattern, is_valid in ((_UPS, ups_is_valid), (_UPU, upu_is_valid)):
            for match in pattern.finditer(text):
                number, start = re.sub(r"[ -]", "", match[0]).upper(), match.start()
                if is_valid(number):
                    yield Found("tracking_number", number, *match.span())
                elif self._says(
                    folded[max(0, start - _NEAR) : start] + " " + folded[match.end() :][:_CONTEXT], "tracking"
                ):
                    yield Found("tracking_number", number, *match.span(), _UNCERTAIN)
                elif " " not in match[0] and _shape(number) != self._shape:
                    yield Found("tracking_number", number, *match.span(), _DOUBTFUL)
        for match in _CARRIER.finditer(text):
            if not self._whole.fullmatch(match[0]):
                yield Found("tracking_number", match[0].upper(), *match.span(), 0.9)

    def tickets(self, text: str, folded: str) -> Iterator[Found]:
        """Ticket numbers: T- and six digits, and digits after a word for a ticket."""
        for pattern in (_TICKET, _TICKET_PLAIN):
            for match in pattern.finditer(text):
                yield Found("ticket_number", _ticket(match[1]), *match.span())
        for pattern in self._tickets:
            for match in pattern.finditer(folded):
                yield Found("ticket_number", _ticket(match["digits"]), *match.span("digits"))

    def phones(self, text: str, folded: str, language: str = "") -> Iterator[Found]:
        """Telephone numbers, in international form where the country is certain, else the digits."""
        for match in _PHONE.finditer(text):
            raw, digits, start = match[0], _DIGITS.sub("", match[0]), match.start()
            if len(digits) not in _PHONE_LENGTHS:
                continue
            if raw.startswith("+") or (raw.startswith("00") and len(digits) >= _WITH_COUNTRY):
                number = _parsed("+" + digits.removeprefix("00"), "ZZ")
                value = _e164(number) if number else "+" + digits.removeprefix("00")
            elif self._is_phone(raw, digits, _before(folded, start)):
                value = self._national(raw, digits, language)
            else:
                continue
            yield Found("phone", value, start, match.end())

    def _is_phone(self, raw: str, digits: str, context: str) -> bool:
        """Whether a number without a country code is a telephone's, by the word nearest to it or its form."""
        named = self._nearest(context)
        if named == "phone":
            return True
        # "The telephone number of the order is …", "all orders on 06 …": the form decides.
        apart = raw[0] in "0(" or (" " in raw and len(digits) >= _NATIONAL)
        undecided = not named or self._says(context, "phone") or (apart and not self._says(context[-_BESIDE:], "order"))
        return undecided and named != "tracking" and self._looks_like_phone(raw, digits)

    def _looks_like_phone(self, raw: str, digits: str) -> bool:
        """Whether a number is a telephone number although nothing says so."""
        if _shape(raw) == self._shape:
            return False
        countries = self._countries_of("")
        if raw.isdigit():
            return len(digits) >= _NATIONAL and any(_is_mobile(_parsed(raw, country)) for country in countries)
        if not set(raw) & {" ", "("} and self._whole.fullmatch(raw):
            # 44-908172 could be either; what is grouped as a country groups its own numbers is a phone's.
            return len(digits) >= _NATIONAL and any(
                _groups(phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)) == _groups(raw)
                or (raw.startswith("0") and raw.count("-") > 1)
                for country in countries
                if (number := _parsed(raw, country))
            )
        return (raw[0] in "0(" and len(digits) >= _NATIONAL) or any(_parsed(raw, country) for country in countries)

    def _national(self, raw: str, digits: str, language: str) -> str:
        """International form if just one country of this shop and language writes its numbers so.

        Of several the one counts whose groups of digits are those of the number, or the one mobile number.
        """
        fitting: dict[str, str] = {}
        for country in self._countries_of(language) if language else (self._country,):
            number = _parsed(raw, country)
            written = number and phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
            if number and written and _DIGITS.sub("", written) == digits:
                fitting.setdefault(_e164(number), written)
        if len(fitting) > 1 and not raw.isdigit():
            alike = {value: written for value, written in fitting.items() if _groups(written) == _groups(raw)}
            fitting = alike or fitting
        if len(fitting) > 1 and raw.startswith("0"):
            fitting = {value: written for value, written in fitting.items() if _is_mobile(_parsed(value, "ZZ"))}
        return next(iter(fitting)) if len(fitting) == 1 else digits

    def _countries_of(self, language: str) -> tuple[str, ...]:
        """The shop's country, then those of a language, of all configured ones if it is unknown."""
        own = (
            self._countries.get(language)
            or self._countries.get(language.split("-")[0])
            or tuple(country for found in self._countries.values() for country in found)
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
            if self._example_in_groups(number):
                number = _DIGITS.sub("", number)
            if number.isdigit() and self._says(context, "postcode") and not self._says(context, "order"):
                continue
            yield Found("order_number", number.upper(), start, match.end())

    def groups(self, text: str, folded: str) -> Iterator[Found]:
        """An order number written in groups of digits ("100 234"), after a word for an order or alone."""
        for match in _GROUPS.finditer(text):
            raw, start = match[0], match.start()
            parts, joined = re.split(r"\D", raw), _DIGITS.sub("", raw)
            if not self._whole.fullmatch(joined) or any(map(self._whole.fullmatch, parts)):
                continue
            alone = _LONE.match(text[:start]) and not text[match.end() :].strip(" .!?")
            if self._nearest(_before(folded, start)) == "order" or (alone and _shape(joined) == self._shape):
                # With hyphens it may be the merchant's own way of writing, which orders() finds as it is.
                if "-" not in raw or self._example_in_groups(raw) or not self._whole.fullmatch(raw):
                    yield Found("order_number", joined, start, match.end())

    def _example_in_groups(self, raw: str) -> bool:
        """Whether a number is in the form of the merchant's example but for the hyphens in it."""
        joined = raw.replace("-", "")
        return joined != raw and joined.isdigit() and bool(self._shape) and _shape(joined) == self._shape

    def long_digits(self, text: str, folded: str) -> Iterator[Found]:
        """Tracking numbers of digits alone: too long for an order number, or named as one."""
        for match in _LONG_DIGITS.finditer(text):
            digits = re.sub(r"[ -]", "", match[0])
            if self._says(_before(folded, match.start()), "tracking") or not self._whole.fullmatch(digits):
                yield Found("tracking_number", digits, *match.span(), 0.9)

    def _nearest(self, context: str) -> str:
        """What the last word says that names a kind of number: order, phone, tracking or nothing."""
        last, found = -1, ""
        for kind in ("order", "phone", "tracking"):
            for match in self._context[kind].finditer(context):
                if match.start() > last:
                    last, found = match.start(), kind
        return found

    def _says(self, context: str, kind: str) -> bool:
        return bool(self._context[kind].search(context))


def _context(words: Sequence[str]) -> re.Pattern[str]:
    """Words, or beginnings of words; a short word must be whole, or "tel" would be in "tell"."""
    groups: dict[tuple[str, str], list[str]] = {}
    for word in map(fold_same_length, words):
        left = rf"(?<![^\W{UNSPACED}])" if word.isalpha() and word[0].isalpha() else ""
        if _ARABIC.match(word):
            left += r"(?:[وفبلك]?ال|لل|[وفبلك])?"
        right = rf"(?![^\W\d_{UNSPACED}])" if word.isascii() and word.isalpha() and len(word) <= _WHOLE else ""
        groups.setdefault((left, right), []).append(re.escape(word))
    return re.compile("|".join(f"{left}(?:{'|'.join(found)}){right}" for (left, right), found in groups.items()))


def _parsed(raw: str, country: str) -> phonenumbers.PhoneNumber | None:
    """A valid telephone number, None for anything else."""
    try:
        number = phonenumbers.parse(raw, country)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None


def _e164(number: phonenumbers.PhoneNumber) -> str:
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))


def _is_mobile(number: phonenumbers.PhoneNumber | None) -> bool:
    return number is not None and phonenumbers.number_type(number) in (
        PhoneNumberType.MOBILE,
        PhoneNumberType.FIXED_LINE_OR_MOBILE,
    )


def _groups(number: str) -> list[str]:
    return _GROUP.findall(number)


def _ticket(digits: str) -> str:
    return f"T-{digits.lstrip('0').zfill(6)}"


def _shape(text: str) -> str:
    return re.sub(r"[A-Za-z]", "A", re.sub(r"\d", "0", text))
