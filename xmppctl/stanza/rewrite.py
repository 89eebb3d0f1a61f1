"""An attribute or a child changed in the bytes of the wire, everything else byte for byte as it was. Sans-IO.

The bytes must have passed the splitter: they are one well-formed element.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from xml.parsers import expat

from xmppctl.stanza.build import attributes, declarations, escape_attribute
from xmppctl.stanza.frame import CLIENT_CONTEXT
from xmppctl.stanza.names import SEPARATOR
from xmppctl.stanza.splitter import TAG

_NAME: Final = re.compile(rb"<[^\s/>]+")
_ATTRIBUTE: Final = re.compile(rb"[ \t\r\n]+([^ \t\r\n=>/]+)[ \t\r\n]*=[ \t\r\n]*(?:\"[^\"]*\"|'[^']*')")

#: What may be a prefix. Linear in the length of a word, which the other side chooses.
_PREFIX: Final = re.compile(rb"(?<![-.\w\x80-\xff])([-.\w\x80-\xff]++):")


def with_attribute(raw: bytes, name: str, value: str | None) -> bytes:
    """The element with this attribute, which has no prefix; without it where `value` is None.

    Raises MalformedInput for a value that XML cannot hold.
    """
    wanted = name.encode()
    new = b"" if value is None else b" %s='%s'" % (wanted, escape_attribute(value).encode())
    start = at = _after_name(raw)
    while found := _ATTRIBUTE.match(raw, at):
        at = found.end()
        if found.group(1) == wanted:
            return raw[: found.start()] + new + raw[at:]
    return raw[:start] + new + raw[start:]


def foreign(context: Mapping[str, str]) -> Mapping[str, str]:
    """What of a stream header's declarations must be said on a stanza where only those of a client's stream hold."""
    needed = {prefix: uri for prefix, uri in context.items() if CLIENT_CONTEXT.get(prefix) != uri}
    if "" not in context:
        needed[""] = ""
    return needed


def with_declarations(raw: bytes, context: Mapping[str, str]) -> bytes:
    """The element with these prefixes declared in its start tag, but for those that it declares itself.

    Only those that it may use, be it in the value of an attribute: a header can declare more than ten thousand stanzas
    take.
    """
    start = at = _after_name(raw)
    own = set()
    while found := _ATTRIBUTE.match(raw, at):
        at = found.end()
        own.add(found.group(1).decode())
    used = dict.fromkeys(prefix.decode() for prefix in _PREFIX.findall(raw)) if b":" in raw else {}
    named = {f"xmlns:{prefix}": context[prefix] for prefix in used if prefix in context}
    if "" in context:
        named["xmlns"] = context[""]
    added = attributes({name: uri for name, uri in named.items() if name not in own})
    return raw[:start] + added.encode() + raw[start:]


def _after_name(raw: bytes) -> int:
    name = _NAME.match(raw)
    assert name
    return name.end()


def with_child(raw: bytes, name: str, child: bytes) -> bytes:
    """The element with `child` in the place of its first child of this expanded name, or as its last one."""
    span = _child(raw, name)
    if span is not None:
        return raw[: span[0]] + child + raw[span[1] :]
    if not raw.endswith(b"/>"):
        end = raw.rindex(b"</")
        return raw[:end] + child + raw[end:]
    tag = _NAME.match(raw)
    assert tag
    return b"%s>%s</%s>" % (raw[:-2].rstrip(), child, tag.group()[1:])


def _child(raw: bytes, name: str) -> tuple[int, int] | None:
    """Where the first child of this name is."""
    head = f"<w{declarations(CLIENT_CONTEXT)}>".encode()
    spans: list[int] = []
    depth = 0
    parser = expat.ParserCreate("UTF-8", SEPARATOR)

    def start(found: str, _: object) -> None:
        nonlocal depth
        depth += 1
        if depth == 3 and not spans and found.replace(SEPARATOR, " ") == name:
            spans.append(parser.CurrentByteIndex - len(head))

    def stop(_: str) -> None:
        nonlocal depth
        if depth == 3 and len(spans) == 1:
            tag = TAG.match(raw, spans[0])
            assert tag
            # Behind an empty-element tag expat's index is already past it.
            empty = tag.group().endswith(b"/>")
            spans.append(tag.end() if empty else raw.index(b">", parser.CurrentByteIndex - len(head)) + 1)
        depth -= 1

    parser.StartElementHandler = start
    parser.EndElementHandler = stop
    parser.Parse(head + raw + b"</w>", True)
    return (spans[0], spans[1]) if spans else None
