"""XPath 1.0 expressions over frames, for the filter language. Sans-IO.

What is wrong with an expression is found when it is compiled: a prefix, function or variable that does not exist
by reading its tokens, a wrong type by evaluating every part of it once. XPath 1.0 has static types, so what can
be evaluated once can always be. lxml is loaded only when an expression is compiled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from xmppctl.stanza.build import declarations
from xmppctl.stanza.frame import NS_CLIENT, Frame
from xmppctl.stanza.namespaces import PREFIXES

if TYPE_CHECKING:
    from lxml import etree

#: The core function library (XPath 1.0 section 4); extensions are left out on purpose.
FUNCTIONS: Final = frozenset(
    [
        "last",
        "position",
        "count",
        "id",
        "local-name",
        "namespace-uri",
        "name",
        "string",
        "concat",
        "starts-with",
        "contains",
        "substring-before",
        "substring-after",
        "substring",
        "string-length",
        "normalize-space",
        "translate",
        "boolean",
        "not",
        "true",
        "false",
        "lang",
        "number",
        "sum",
        "floor",
        "ceiling",
        "round",
    ]
)
_NODE_TYPES: Final = frozenset({"comment", "text", "processing-instruction", "node"})
_OPENING: Final = {"[": "]", "(": ")"}
_OPERATORS: Final = frozenset({"/", "//", "|", "+", "-", "=", "!=", "<", "<=", ">", ">="})
_BEFORE_OPERAND: Final = frozenset({"@", "::", "(", "[", ","})
_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<literal>"[^"]*"|'[^']*')
      | (?P<number>\d+(?:\.\d*)?|\.\d+)
      | (?P<variable>\$\s*[\w.:-]*)
      | (?P<name>[^\W\d][\w.-]*(?::(?!:)(?:[^\W\d][\w.-]*|\*))?)
      | (?P<symbol>::|\.\.|//|!=|<=|>=|[-+*/|=<>()\[\],.@])
      | (?P<bad>\S)
    )""",
    re.VERBOSE,
)


class BadXPath(Exception):
    """An expression that cannot be evaluated. `at` is where, counted from 0."""

    def __init__(self, message: str, at: int = -1, *, near: str = "", choices: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        self.near = near
        self.choices = choices


class Token(NamedTuple):
    """A token of an expression: `kind` is a group of `_TOKEN`."""

    kind: str
    text: str
    begin: int
    end: int


class XPath:
    """A compiled expression. Called on a frame it tells whether the expression holds there.

    It holds where its value is a node-set that is not empty, true, a text that is not empty, or a number that is
    neither 0 nor NaN (XPath 1.0 section 4.3, `boolean()`). The frame's element is the root of its document.
    Raises BadXPath when made.
    """

    def __init__(self, expression: str) -> None:
        self.expression = expression
        tokens = _tokens(expression)
        _check_names(tokens)
        self._compiled: dict[str, etree.XPath] = {}
        dummy = _tree(b"<message><body>x</body></message>", f"<w{declarations({'': NS_CLIENT})}>")
        for part, begin in _parts(expression, tokens):
            _try(part, begin, dummy)
        self._find(NS_CLIENT)

    def __call__(self, frame: Frame) -> bool:
        from lxml import etree

        if frame.kind == "stream" or not frame.names:
            return False
        find = self._find(frame.context.get("") or NS_CLIENT)
        try:
            element = _tree(frame.raw, f"<w{declarations(frame.context)}>")
        except etree.XMLSyntaxError:
            return False  # libxml2 refuses some names that expat takes: no expression can speak of them
        value: Any = find(element)
        return bool(value) and value == value  # NaN is not itself

    def _find(self, namespace: str) -> etree.XPath:
        """The expression where `c:` is `namespace`."""
        found = self._compiled.get(namespace)
        if found is None:
            found = self._compiled[namespace] = _compile(self.expression, namespace)
        return found


def check(expression: str) -> None:
    """Find what is wrong with an expression as far as its tokens tell, without lxml. Raises BadXPath."""
    _check_names(_tokens(expression))


def _compile(expression: str, namespace: str = NS_CLIENT) -> etree.XPath:
    from lxml import etree

    # No EXSLT regular expressions: their cost has no bound.
    return etree.XPath(expression, namespaces={**PREFIXES, "c": namespace}, regexp=False, smart_strings=False)


def _tree(raw: bytes, wrapper: str) -> etree._Element:
    from lxml import etree

    wrapped = etree.fromstring(b"%s%s</w>" % (wrapper.encode(), raw), _parser())
    return deepcopy(wrapped[0])  # the copy is the root of a document of its own: /c:message finds it


@lru_cache(maxsize=1)
def _parser() -> etree.XMLParser:
    from lxml import etree

    # The splitter's caps are the limits; libxml2's own are lower. It has checked the XML as well: what is left to
    # complain of, namespaces that are no URI, is no reason to see nothing.
    return etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, recover=True)


def _tokens(expression: str) -> list[Token]:
    found = [_token(match) for match in _TOKEN.finditer(expression)]
    expected: list[Token] = []
    for token in found:
        if token.kind == "bad":
            if token.text in "\"'":
                raise BadXPath("a text is not closed", token.begin)
            raise BadXPath(f"{token.text} cannot stand there", token.begin)
        if token.text in _OPENING and token.kind == "symbol":
            expected.append(token)
        elif token.text in ("]", ")") and token.kind == "symbol":
            if not expected or _OPENING[expected[-1].text] != token.text:
                raise BadXPath(f"{token.text} closes nothing", token.begin)
            expected.pop()
    if expected:
        raise BadXPath(f"{expected[-1].text} is not closed", expected[-1].begin)
    return found


def _token(match: re.Match[str]) -> Token:
    kind = str(match.lastgroup)
    return Token(kind, match.group(kind), match.start(kind), match.end(kind))


def _operators(tokens: list[Token]) -> list[bool]:
    """Which tokens are operators; a name or `*` is one if an operand precedes it (XPath 1.0 section 3.7)."""
    found: list[bool] = []
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else None
        after_operand = before is not None and not found[-1] and before.text not in _BEFORE_OPERAND
        if token.kind == "name" or token.text == "*":
            found.append(after_operand)
        else:
            found.append(token.text in _OPERATORS)
    return found


def _check_names(tokens: list[Token]) -> None:
    """Refuse what is found out of a name alone, wherever it stands: libxml2 looks only when it comes there."""
    operators = _operators(tokens)
    for index, token in enumerate(tokens):
        following = tokens[index + 1].text if index + 1 < len(tokens) else ""
        if token.kind == "variable":
            raise BadXPath("there are no variables", token.begin)
        if token.kind != "name" or operators[index]:
            continue
        prefix, colon, _ = token.text.partition(":")
        if following == "(" and token.text not in FUNCTIONS | _NODE_TYPES:
            raise BadXPath(
                f"there is no function {token.text}()",
                token.begin,
                near=token.text,
                choices=tuple(sorted(FUNCTIONS)),
            )
        if colon and prefix not in PREFIXES and prefix != "xml":
            raise BadXPath(
                f"the prefix {prefix}: is not bound", token.begin, near=prefix, choices=tuple(PREFIXES)
            )


def _parts(expression: str, tokens: list[Token]) -> Iterator[tuple[str, int]]:
    """Each part that might stay unevaluated (predicates, arguments, operands of `and` and `or`), inner ones first.

    With them where they begin; the whole expression comes last.
    """
    operators = _operators(tokens)
    begins = [0]
    for index, token in enumerate(tokens):
        if token.kind == "symbol" and token.text in _OPENING:
            begins.append(token.end)
            continue
        ends = token.kind == "symbol" and token.text in ("]", ")", ",")
        joins = token.kind == "name" and token.text in ("and", "or") and operators[index]
        if not ends and not joins:
            continue
        begin = begins.pop()
        if expression[begin : token.begin].strip():
            yield expression[begin : token.begin], begin
        if joins or token.text == ",":
            begins.append(token.end)
    yield expression[begins[0] :], begins[0]
    yield expression, 0


def _try(part: str, begin: int, dummy: etree._Element) -> None:
    from lxml import etree

    try:
        _compile(part)(dummy)
    except etree.XPathError as error:
        what = str(error).strip() or "it cannot be evaluated"
        raise BadXPath(f"{part.strip()}: {what[:1].lower()}{what[1:]}", begin) from None
