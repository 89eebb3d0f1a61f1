"""The filter language: terms that select stanzas. Sans-IO.

A filter is a list of terms, all of which must hold: `[-]key:value[,value]`. `xmppctl.stanza.filter_help` is its
manual. Everything is checked when a filter is compiled; nothing can fail when it is applied. Regular expressions
are Python's and the user's own: one that backtracks without end is not guarded against.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from xmppctl.errors import BadFilter, BadJid
from xmppctl.stanza.frame import Frame
from xmppctl.stanza.jid import Jid, prepared, remembered

if TYPE_CHECKING:
    from xmppctl.stanza.xpath import BadXPath

Test = Callable[[Frame], bool]

KINDS: Final = ("message", "presence", "iq", "nonza", "stream")
DIRECTIONS: Final = ("in", "out")
#: RFC 6121 sections 5.2.2 and 4.7.1, RFC 6120 section 8.2.3. `available` is presence without a type.
TYPES: Final = (
    *("normal", "chat", "groupchat", "headline", "error"),
    *("available", "unavailable", "subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe"),
    *("get", "set", "result"),
)

_ESCAPED: Final = re.compile(r"\\([,*\\])")
_SEE_HELP: Final = "`xmppctl help filters` explains the terms"


class _Key(NamedTuple):
    """How the value of a key is compiled. Terms of low `cost` are evaluated first.

    `bounded` gives, for a value whose test may take any time, a cheap one that holds wherever that does; else None.
    """

    cost: int
    compile: Callable[[str, str], Test]
    bounded: Callable[[str, str], Test | None] = lambda _, __: None


class Filter:
    """A compiled filter: called on a frame it tells whether all terms hold. `terms` are as given."""

    __slots__ = ("_tests", "terms")

    def __init__(self, terms: Sequence[str], *, bounded: bool = False) -> None:
        self.terms = tuple(terms)
        compiled = [_compile_term(term, bounded) for term in self.terms]
        self._tests = [test for _, test in sorted(compiled, key=lambda pair: pair[0])]

    def __call__(self, frame: Frame) -> bool:
        for test in self._tests:  # noqa: SIM110 (all() over a generator takes twice as long, for each frame)
            if not test(frame):
                return False
        return True

    def __repr__(self) -> str:
        return f"Filter({list(self.terms)!r})"


def compile_filter(terms: Sequence[str], *, bounded: bool = False) -> Filter:
    """The filter that these terms make; without terms everything passes.

    `bounded` is for who evaluates the filters of others and must not be held up, by an expression or by what the
    network sends to it: `body:~` and `xpath:` are only checked, the latter's types left out, and the filter lets
    everything through that might fit them. No lxml is loaded for it.

    Raises BadFilter, which says the term, what is wrong with it, and what may have been meant.
    """
    return Filter(terms, bounded=bounded)


def _compile_term(term: str, bounded: bool) -> tuple[int, Test]:
    negated = term.startswith("-")
    key, colon, value = term.removeprefix("-").partition(":")
    if not colon:
        raise _bad(term, "a term is KEY:VALUE", _guess_term(term.removeprefix("-")))
    known = _KEYS.get(key)
    if known is None:
        raise _bad(term, f"there is no key {key!r}", _near(key, _KEYS) or f"keys: {', '.join(_KEYS)}")
    if not value:
        raise _bad(term, "the value is empty")
    looser = known.bounded(term, value) if bounded else None
    if looser is not None:
        return known.cost, (lambda _: True) if negated else looser
    test = known.compile(term, value)
    return known.cost, (lambda frame: not test(frame)) if negated else test


# -- values -----------------------------------------------------------------------------------------------------


def _alternatives(term: str, value: str) -> list[str]:
    """The values between commas, still escaped."""
    found = re.split(r"(?<!\\)((?:\\\\)*),", value)
    # The capture keeps the escaped backslashes that stand before a comma.
    values = [a + b for a, b in zip(found[::2], [*found[1::2], ""], strict=True)]
    if not all(values):
        raise _bad(term, "an alternative is empty", "write a comma that is meant as such \\,")
    return values


def _unescape(value: str) -> str:
    return _ESCAPED.sub(r"\1", value)


class _Glob:
    """A text with `*` in it. Matches in linear time, whatever the other side sends: no regular expression."""

    def __init__(self, parts: Sequence[str]) -> None:
        self._first, *self._middle, self._last = parts

    @classmethod
    def parse(cls, value: str) -> _Glob | None:
        """The pattern of a value that is still escaped; None where it has no `*`."""
        parts = [""]
        for piece in re.split(r"(\\[,*\\]|\*+)", value):
            if piece.startswith("*"):
                parts.append("")
            else:
                parts[-1] += _unescape(piece)
        return cls(parts) if len(parts) > 1 else None

    def matches(self, text: str) -> bool:
        """Whether the whole text is as the pattern says."""
        if not text.startswith(self._first):
            return False
        at = len(self._first)
        for part in self._middle:
            found = text.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        return len(text) - at >= len(self._last) and text.endswith(self._last)


def _text_test(term: str, value: str) -> Callable[[str], bool]:
    """Whether a text is one of the alternatives."""
    plain: set[str] = set()
    globs: list[_Glob] = []
    for alternative in _alternatives(term, value):
        pattern = _Glob.parse(alternative)
        if pattern is None:
            plain.add(_unescape(alternative))
        else:
            globs.append(pattern)
    if not globs:
        return plain.__contains__
    return lambda text: text in plain or any(pattern.matches(text) for pattern in globs)


def _one_of(term: str, value: str, known: Collection[str], what: str) -> frozenset[str]:
    values = _alternatives(term, value)
    for alternative in values:
        if alternative not in known:
            hint = _near(alternative, known) or f"one of {', '.join(known)}"
            raise _bad(term, f"there is no {what} {alternative!r}", hint)
    return frozenset(values)


# -- attributes -------------------------------------------------------------------------------------------------


def _kind(term: str, value: str) -> Test:
    kinds = _one_of(term, value, KINDS, "kind")
    return lambda frame: frame.kind in kinds


def _direction(term: str, value: str) -> Test:
    directions = _one_of(term, value, DIRECTIONS, "direction")
    return lambda frame: frame.direction in directions


def _type(term: str, value: str) -> Test:
    for alternative in _alternatives(term, value):
        if _Glob.parse(alternative) is None:
            _one_of(term, alternative, TYPES, "type")
    matches = _text_test(term, value)

    def test(frame: Frame) -> bool:
        found = frame.type
        if found is None:
            found = _DEFAULT_TYPES.get(frame.kind)
        return found is not None and matches(found)

    return test


_DEFAULT_TYPES: Final = {"message": "normal", "presence": "available"}


def _id(term: str, value: str) -> Test:
    matches = _text_test(term, value)
    return lambda frame: frame.id is not None and matches(frame.id)


def _from(term: str, value: str) -> Test:
    matches = _jid_test(term, value)
    return lambda frame: matches(frame.sender)


def _to(term: str, value: str) -> Test:
    matches = _jid_test(term, value)
    return lambda frame: matches(frame.to)


def _with(term: str, value: str) -> Test:
    matches = _jid_test(term, value)
    return lambda frame: matches(frame.sender) or matches(frame.to)


def _jid_test(term: str, value: str) -> Callable[[str | None], bool]:
    """Whether an address is one of the alternatives; one without a resource covers all resources."""
    plain: set[str] = set()
    globs: list[tuple[bool, _Glob]] = []
    for alternative in _alternatives(term, value):
        bare, slash, resource = alternative.partition("/")
        pattern = _Glob.parse(f"{bare.lower()}{slash}{resource}")
        if pattern is not None:
            globs.append((not slash, pattern))
            continue
        try:
            plain.add(str(Jid.parse(_unescape(alternative))))
        except BadJid as error:
            raise _bad(term, error.message, error.hint) from None

    def decide(address: str) -> bool:
        full, bare = prepared(address)
        if full in plain or bare in plain:
            return True
        return any(pattern.matches(full) or (covers and pattern.matches(bare)) for covers, pattern in globs)

    return remembered(decide)


# -- content ----------------------------------------------------------------------------------------------------


def _namespace(term: str, value: str) -> Test:
    matches = _text_test(term, value)
    return lambda frame: any(matches(name.rpartition(" ")[0]) for name in frame.names)


def _xep(term: str, value: str) -> Test:
    from xmppctl.stanza.namespaces import xep_of, xep_title

    numbers = set()
    for alternative in _alternatives(term, value):
        found = re.fullmatch(r"(?:xep-?)?0*([1-9]\d{0,3})", alternative, re.IGNORECASE)
        if not found:
            raise _bad(term, f"{alternative!r} is not the number of a XEP", "as in xep:0060")
        number = f"XEP-{int(found.group(1)):04d}"
        if xep_title(number) is None:
            raise _bad(term, f"{number} defines no namespace that is known", "select by ns: instead")
        numbers.add(number)
    return lambda frame: any(xep_of(name.rpartition(" ")[0]) in numbers for name in frame.names)


def _body(term: str, value: str) -> Test:
    matches: Callable[[str], object]
    matches = _regex(term, value).search if value.startswith("~") else _text_test(term, value)

    def test(frame: Frame) -> bool:
        body = frame.body
        return body is not None and bool(matches(body))

    return test


def _body_bounded(term: str, value: str) -> Test | None:
    if not value.startswith("~"):
        return None
    _regex(term, value)
    return lambda frame: frame.kind == "message"


def _regex(term: str, value: str) -> re.Pattern[str]:
    try:
        return re.compile(value[1:], re.DOTALL)
    except (re.error, RecursionError, OverflowError) as error:
        raise _bad(term, f"not a regular expression: {error}") from None


def _xpath(term: str, value: str) -> Test:
    from xmppctl.stanza.xpath import BadXPath, XPath

    try:
        return XPath(value)
    except BadXPath as error:
        raise _bad_xpath(term, error) from None


def _xpath_bounded(term: str, value: str) -> Test:
    from xmppctl.stanza.xpath import BadXPath, check

    try:
        check(value)
    except BadXPath as error:
        raise _bad_xpath(term, error) from None
    return lambda frame: frame.kind != "stream"


def _bad_xpath(term: str, error: BadXPath) -> BadFilter:
    where = f" at character {error.at + 1}" if error.at >= 0 else ""
    return _bad(term, f"not an XPath expression: {error.message}{where}", _near(error.near, error.choices))


_KEYS: Final[dict[str, _Key]] = {
    "kind": _Key(0, _kind),
    "type": _Key(0, _type),
    "dir": _Key(0, _direction),
    "id": _Key(0, _id),
    "from": _Key(1, _from),
    "to": _Key(1, _to),
    "with": _Key(1, _with),
    "ns": _Key(2, _namespace),
    "xep": _Key(2, _xep),
    "body": _Key(3, _body, _body_bounded),
    "xpath": _Key(4, _xpath, _xpath_bounded),
}
#: The keys of terms, for completion.
KEYS: Final = tuple(_KEYS)


# -- errors -----------------------------------------------------------------------------------------------------


def _bad(term: str, what: str, hint: str = "") -> BadFilter:
    return BadFilter(f"filter term {term!r}: {what}", hint=f"{hint}; {_SEE_HELP}" if hint else _SEE_HELP)


def _near(word: str, choices: Collection[str]) -> str:
    from difflib import get_close_matches

    found = get_close_matches(word.lower(), choices, n=1)
    return f"did you mean {found[0]}?" if found else ""


def _guess_term(word: str) -> str:
    for key, values in (("kind", KINDS), ("dir", DIRECTIONS), ("type", TYPES)):
        if word in values:
            return f"did you mean {key}:{word}?"
    if "@" in word:
        return f"did you mean with:{word}?"
    return f"keys: {', '.join(KEYS)}"
