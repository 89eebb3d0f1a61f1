"""What may be completed at the cursor of the shell. Sans-IO.

Names, attributes and values of the RFCs and XEPs come from vocabulary.py; JIDs (RFC 7622), nodes (XEP-0030), ids and
the fields of forms (XEP-0004) from what the session has seen. The latter is anybody's: it is escaped where it is
inserted, and made safe where it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from xmppctl.errors import MalformedInput
from xmppctl.output.safe import safe, substitute
from xmppctl.shell import vocabulary
from xmppctl.shell.lookups import JID_TERMS, addressee, kind_of, node_around, whose_id
from xmppctl.shell.lookups import Lookup as Lookup
from xmppctl.shell.lookups import lookup as lookup
from xmppctl.shell.place import MAX_WORD, unescaped
from xmppctl.shell.scan import closing_after, place
from xmppctl.stanza import build
from xmppctl.stanza.namespaces import title_of

if TYPE_CHECKING:
    from xmppctl.shell.jobs import Commands
    from xmppctl.shell.knowledge import Knowledge
    from xmppctl.shell.place import Open, Place
    from xmppctl.shell.slash import Own
    from xmppctl.shell.templates import Template

#: So many characters of a text are shown in a menu.
_WIDTH: Final = 60
#: Words behind a command that are longer are not completed.
_LONGEST: Final = 4096
_FORM: Final = "jabber:x:data"
#: What begins right between stanzas. The first and the last need attributes.
_TOP: Final = (("<message ", "RFC 6121"), ("<presence", "RFC 6121"), ("<iq ", "RFC 6120"))
_LANGUAGES: Final = tuple((code, "") for code in ("en", "de", "es", "fr", "it", "pt", "ru", "zh", "ja"))
_SHORTENED: Final = re.compile(r"http://jabber\.org/(?:protocol|features)/|urn:xmpp:|urn:ietf:params:xml:ns:")
_SPACE: Final = re.compile(r"[ \t\r\n]")
_NUMBER: Final = re.compile(r"<([0-9]{1,4})\Z")
_OPENED: Final = re.compile(r"=[ \t\r\n]{0,100}(['\"])")
#: The FORM_TYPE (XEP-0068) of a form.
_FORM_TYPE: Final = re.compile(
    r"\bvar\s{0,20}=\s{0,20}(['\"])FORM_TYPE\1[^<>]{0,200}>\s{0,200}<(?:[^<>:\s]{1,64}:)?value>([^<]{1,1024})<"
)
#: A word of a command line that means itself without quotes, and does not put the command in the background.
_PLAIN: Final = re.compile(r"[^\s'\"\\&]+")
#: Stops of templates that take a JID.
_JID_STOPS: Final = frozenset({"to", "jid", "room", "with"})

#: A text that may be inserted, and what is known about it.
_Offer = tuple[str, str]


class Candidate(NamedTuple):
    """A completion: `text` replaces `replaces` characters left of the cursor.

    `display` and `help` are the columns of a menu, one line each, safe for a terminal.
    """

    text: str
    replaces: int
    display: str
    help: str


class Sources(NamedTuple):
    """What completion draws from. `own` are the shell's own commands by name, which go before those of xmppctl."""

    knowledge: Knowledge
    templates: Callable[[], list[Template]]
    commands: Commands
    own: Mapping[str, Own]


class _Cursor(NamedTuple):
    text: str
    there: Place
    sources: Sources
    limit: int


def candidates(text: str, sources: Sources, limit: int = 200) -> list[Candidate]:
    """What may be completed behind `text`, which is all that is left of the cursor; the best first. Never raises.

    A value comes without the quote that ends it. Between stanzas, with nothing typed yet, these are the beginnings of
    stanzas: for who asks, not to be shown unasked.
    """
    there = _place(text)
    offers = _OFFERS.get(there.where)
    if offers is None or limit < 1:
        return []
    return [*islice(offers(_Cursor(text, there, sources, limit)), limit)]


# -- helpers ----------------------------------------------------------------------------------------------------


def _place(text: str) -> Place:
    """What is at the cursor. The number of a XEP is taken for a name that is typed, though it can be none."""
    number = _NUMBER.search(text, max(len(text) - 5, 0))
    if number:
        there = place(text[: number.start(1)])
        if there.where == "name":
            return there._replace(word=number[1])
    return place(text)


def _candidate(text: str, replaces: int, display: str, help: str) -> Candidate:
    return Candidate(text, replaces, _shown(display), _shown(help))


def _shown(text: str) -> str:
    shown = safe(text, limit=_WIDTH)
    return shown if len(shown) <= _WIDTH + 1 else f"{shown[:_WIDTH]}…"  # what was made visible is longer


def _matching(word: str, known: Iterable[_Offer]) -> list[_Offer]:
    """Those that begin with `word`, then those that hold it elsewhere. Case does not count."""
    wanted = word.lower()
    holding = [offer for offer in known if wanted in offer[0].lower()]
    return sorted(holding, key=lambda offer: not offer[0].lower().startswith(wanted))


def _local(element: Open) -> str:
    return element.name.rpartition(":")[2]


def _chain(elements: Iterable[Open]) -> list[vocabulary.Open]:
    return [(each.namespace, _local(each), dict(each.attributes)) for each in elements]


def _inserted(escaped: str) -> str:
    """Characters that cannot be seen are inserted so that they can."""
    return substitute(escaped, lambda char: f"&#x{ord(char):x};")


# -- markup -----------------------------------------------------------------------------------------------------


def _starts(at: _Cursor) -> Iterator[Candidate]:
    yield from (_candidate(text, len(at.there.word), text.strip(), help) for text, help in _TOP)


def _names(at: _Cursor) -> Iterator[Candidate]:
    there = at.there
    prefix, colon, word = there.word.rpartition(":")
    if there.element is None or (colon and not prefix):
        return
    bindings = dict(there.element.bindings)
    for element in _like(word.lower(), vocabulary.children(_chain(there.parents))):
        name = _tag(element, prefix, bindings)
        if name:
            yield Candidate(name, len(there.word), _shown(element.name), _told(element, name))


def _like(word: str, elements: list[vocabulary.Element]) -> list[vocabulary.Element]:
    """Those whose name begins so, then those that have it elsewhere: in their namespace, or in what defines them."""
    starting = [each for each in elements if each.name.lower().startswith(word)]
    if len(word) < 2:
        return starting
    return starting + [
        each
        for each in elements
        if each not in starting and word in f"{each.name} {each.namespace} {each.help}".lower()
    ]


def _tag(element: vocabulary.Element, prefix: str, bindings: Mapping[str, str]) -> str:
    """The name with what puts it into its namespace there; empty where the prefix stands for another one."""
    name, namespace = element.name, element.namespace
    if prefix and prefix in bindings:
        return f"{prefix}:{name}" if bindings[prefix] == namespace else ""
    if prefix:
        return f"{prefix}:{name} xmlns:{prefix}='{build.escape_attribute(namespace)}'"
    if bindings.get("") == namespace:
        return name
    bound = next((each for each, uri in bindings.items() if each and uri == namespace), "")
    return f"{bound}:{name}" if bound else f"{name} xmlns='{build.escape_attribute(namespace)}'"


def _told(element: vocabulary.Element, name: str) -> str:
    """What defines it, and the namespace where that is inserted, too: one XEP may define several."""
    if "=" not in name:
        return _shown(element.help)
    short = _SHORTENED.sub("", element.namespace, count=1)
    return _shown(f"{safe(element.help, limit=max(_WIDTH - len(short) - 4, 20))} ({short})".lstrip())


def _closings(at: _Cursor) -> Iterator[Candidate]:
    if at.there.element is not None:
        name = f"{at.there.element.name}>"
        yield _candidate(name, len(at.there.word), name, "")


def _attributes(at: _Cursor) -> Iterator[Candidate]:
    there = at.there
    element = there.element
    if element is None:
        return
    given = dict(element.attributes)
    name = element.namespace, _local(element)
    told = {
        each: "|".join(vocabulary.values(*name, each)) or vocabulary.value_kind(*name, each)
        for each in (*_due_declaration(there, element), *vocabulary.attributes(*name))
    }
    opened = _OPENED.search(at.text, at.text.rfind("<") + 1)
    quote = opened[1] if opened else "'"
    for text, help in _matching(there.word, told.items()):
        if text not in given:
            yield _candidate(f"{text}={quote}", len(there.word), text, help)


def _due_declaration(there: Place, element: Open) -> list[str]:
    """The attribute that puts an element into a namespace, where it is in none, or in one that it is not known in."""
    prefix = element.name.rpartition(":")[0]
    if prefix:
        return [] if prefix in dict(element.bindings) else [f"xmlns:{prefix}"]
    known = vocabulary.namespaces(_chain(there.parents), element.name)
    return ["xmlns"] if known and element.namespace not in known else []


def _values(at: _Cursor) -> Iterator[Candidate]:
    there = at.there
    if there.element is None or len(there.word) >= MAX_WORD:
        return
    other = ("&quot;", '"') if there.quote == "'" else ("&apos;", "'")
    for value, help in _known_values(at, there.element, unescaped(there.word)):
        with suppress(MalformedInput):  # XML cannot hold it
            text = _inserted(build.escape_attribute(value).replace(*other))
            yield _candidate(text, len(there.word), value, help)


def _known_values(at: _Cursor, element: Open, word: str) -> Iterable[_Offer]:
    prefix, colon, local = element.name.rpartition(":")
    if at.there.attribute == f"xmlns{colon}{prefix}":
        found = vocabulary.namespaces(_chain(at.there.parents), local)
        return _matching(word, [(each, title_of(each) or "") for each in found])
    values = vocabulary.values(element.namespace, local, at.there.attribute)
    return (
        _matching(word, [(each, "") for each in values]) if values else _of_kind(kind_of(at.there), word, at)
    )


def _texts(at: _Cursor) -> Iterator[Candidate]:
    there = at.there
    if there.element is None or len(there.word) >= MAX_WORD or _SPACE.search(there.word):
        return
    if not closing_after(at.text[: len(at.text) - len(there.word)]):
        return  # it is not the beginning of the element's content
    for value, help in _known_texts(at, there.element, unescaped(there.word)):
        with suppress(MalformedInput):
            yield _candidate(_inserted(build.escape(value)), len(there.word), value, help)


def _known_texts(at: _Cursor, element: Open, word: str) -> Iterable[_Offer]:
    name = element.namespace, _local(element)
    *_, outside = element, *at.there.parents
    if name == (_FORM, "value") and _local(outside) == "field":
        return _matching(word, at.sources.knowledge.options(dict(outside.attributes).get("var", "")))
    values = vocabulary.texts(*name)
    return (
        _matching(word, [(each, "") for each in values]) if values else _of_kind(kind_of(at.there), word, at)
    )


# -- what the session has seen ----------------------------------------------------------------------------------


def _of_kind(kind: str, word: str, at: _Cursor) -> list[_Offer]:
    knowledge = at.sources.knowledge
    match kind:
        case "jid":
            return knowledge.jids(word, at.limit)
        case "node":
            return knowledge.nodes(word, addressee(at.there) or knowledge.own, at.limit)
        case "item":
            return knowledge.item_ids(word, node_around(at.there), at.limit)
        case "id":
            return knowledge.ids(word, whose_id(at.there))
        case "namespace":
            return [(each, title_of(each) or "") for each in knowledge.features(word)[: at.limit]]
        case "field":
            typed = _FORM_TYPE.search(at.text, max(at.text.rfind(_FORM), 0))
            first = [] if typed else [("FORM_TYPE", "XEP-0068")]
            return _matching(word, first + knowledge.fields(unescaped(typed[2]) if typed else None))
        case "lang":
            return _matching(word, _LANGUAGES)
    return []


# -- commands ---------------------------------------------------------------------------------------------------


def _commands(at: _Cursor) -> Iterator[Candidate]:
    word = at.there.word
    own = {name: each.help for name, each in at.sources.own.items()}
    for name, help in _matching(word.removeprefix("/"), (own | at.sources.commands.names() | own).items()):
        yield _candidate(f"/{name}", len(word), f"/{name}", help)


def _arguments(at: _Cursor) -> Iterator[Candidate]:
    from shlex import split

    rest = at.there.word
    last = _SPACE.split(rest)[-1]
    if len(rest) > _LONGEST or not (not last or _PLAIN.fullmatch(last)):
        return
    offers: Iterable[_Offer] = ()
    with suppress(Exception):  # an open quote, trouble with a file: a Tab is no place for errors
        offers = _known_arguments(at, split(rest[: len(rest) - len(last)]), last)
    for text, help in offers:
        if _PLAIN.fullmatch(text) and safe(text) == text:
            yield _candidate(text, len(last), text, help)


def _known_arguments(at: _Cursor, before: list[str], last: str) -> Iterable[_Offer]:
    name = at.there.command.removeprefix("/")
    match name:
        case "t":
            return _of_template(at, before, last)
        case "filter":
            off = [] if before else _matching(last, [("off", "Show everything that comes.")])
            return _terms(at, last) + off
        case "wait" | "expect":
            return _terms(at, last)
        case "reply" if not before:
            return [*at.sources.knowledge.ids(last, "message"), *at.sources.knowledge.ids(last, "iq")]
        case "help":
            return _topics(at, last)
    if name in at.sources.own:
        return []
    found = at.sources.commands.complete(f"{name} {at.there.word}")
    # Where it may be an address, the session has seen more than is kept for other shells.
    if last and not last.startswith("-") and all("@" in word for word, _ in found):
        known = {word for word, _ in found}
        seen = at.sources.knowledge.jids(last, at.limit)
        found += [each for each in seen if each[0].startswith(last) and each[0] not in known]
    return found


def _of_template(at: _Cursor, before: list[str], last: str) -> list[_Offer]:
    templates = at.sources.templates()
    if not before:
        names = [(each.name, each.description) for each in templates]
        return _matching(last, [*names, ("save", "Keep what was typed last as a template.")])
    stops = next((each.placeholders for each in templates if each.name == before[0]), [])
    named = {word.partition("=")[0] for word in before[1:] if "=" in word}.intersection(stops)
    free = [stop for stop in stops if stop not in named][len(before) - 1 - len(named) :]
    name, equals, value = last.partition("=")
    if equals and name in free:
        found = at.sources.knowledge.jids(value, at.limit) if name in _JID_STOPS else []
        return [(f"{name}={jid}", about) for jid, about in found]
    offers = [(f"{stop}=", "") for stop in free if stop.startswith(last)]
    if last and free and free[0] in _JID_STOPS:
        offers += at.sources.knowledge.jids(last, at.limit)
    return offers


def _terms(at: _Cursor, last: str) -> list[_Offer]:
    """Terms of the filter language; after `-` those that negate, after a comma another value."""
    from xmppctl.stanza.filters import DIRECTIONS, KEYS, KINDS, TYPES

    sign = "-" if last.startswith("-") else ""
    key, colon, value = last.removeprefix("-").partition(":")
    if not colon:
        return [(f"{sign}{each}:", "") for each in KEYS if each.startswith(key)]
    before, comma, word = value.rpartition(",")
    if key in JID_TERMS:
        # A comma and a star in a value mean something.
        jids = at.sources.knowledge.jids(word, at.limit)
        found = [offer for offer in jids if not {*",*"}.intersection(offer[0])]
    else:
        known = {"kind": KINDS, "type": TYPES, "dir": DIRECTIONS}.get(key, ())
        found = _matching(word, [(each, "") for each in known])
    return [(f"{sign}{key}:{before}{comma}{each}", about) for each, about in found]


def _topics(at: _Cursor, last: str) -> Iterable[_Offer]:
    slash = "/" if last.startswith("/") else ""
    own = dict(_matching(last, [(f"{slash}{name}", each.help) for name, each in at.sources.own.items()]))
    return (own | dict(at.sources.commands.complete(f"help {at.there.word}")) | own).items()


_OFFERS: Final[Mapping[str, Callable[[_Cursor], Iterator[Candidate]]]] = {
    "start": _starts,
    "name": _names,
    "closing": _closings,
    "attribute": _attributes,
    "value": _values,
    "text": _texts,
    "command": _commands,
    "argument": _arguments,
}
