"""Frames as element trees, and what an error says. Sans-IO.

xml.etree and not lxml: `send`, `ping` and `raw` read errors and must start fast, and lxml costs them four
times as much. The bytes that come here have passed the splitter, which has no entities, no DTD and a depth
cap.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree as ET
from xml.parsers import expat

from xmppctl.errors import StanzaCondition
from xmppctl.stanza.build import declarations
from xmppctl.stanza.frame import CLIENT_CONTEXT, NS_STANZAS
from xmppctl.stanza.names import SEPARATOR


def parse(raw: bytes | str, context: Mapping[str, str] = CLIENT_CONTEXT) -> ET.Element:
    """The one element in `raw`, where the prefixes of `context` are bound.

    Raises ValueError if there is not one.
    """
    data = raw.encode() if isinstance(raw, str) else raw
    document = b"<w%s>%s</w>" % (declarations(context).encode(), data)
    try:
        wrapper = ET.fromstring(document)  # noqa: S314 (see above)
    except ET.ParseError:
        wrapper = _parse_any(document)
    if len(wrapper) != 1:
        raise ValueError(f"expected one element, found {len(wrapper)}")
    return wrapper[0]


def _parse_any(document: bytes) -> ET.Element:
    """As ET.fromstring, which has no tree for a namespace with `}` in it: anybody may write one."""
    builder = ET.TreeBuilder()
    parser = expat.ParserCreate("UTF-8", SEPARATOR)
    parser.StartElementHandler = lambda name, attributes: builder.start(
        _clark(name), {_clark(key): value for key, value in attributes.items()}
    )
    parser.EndElementHandler = lambda name: builder.end(_clark(name))
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        raise ValueError(f"not an element: {error}") from None
    return builder.close()


def _clark(name: str) -> str:
    namespace, separator, local = name.rpartition(SEPARATOR)
    return f"{{{namespace}}}{local}" if separator else local


def local_name(element: ET.Element) -> str:
    """The name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def stanza_condition(stanza: ET.Element) -> StanzaCondition:
    """What the <error/> in an error stanza says (RFC 6120 section 8.3.2).

    `undefined-condition` where it says nothing.
    """
    namespace = str(stanza.tag).rpartition("}")[0]
    error = stanza.find(f"{namespace}}}error" if namespace else "error")
    if error is None:
        return StanzaCondition("undefined-condition", text="the error stanza has no <error/>")
    condition, text, application = "undefined-condition", "", ""
    for child in error:
        name = local_name(child)
        if str(child.tag).startswith(f"{{{NS_STANZAS}}}"):
            if name == "text":
                text = "".join(child.itertext()).strip()
            else:
                condition = name
        elif not application:
            application = str(child.tag)
    return StanzaCondition(
        condition,
        type=error.get("type", ""),
        text=text,
        application=application,
        by=error.get("by", ""),
    )
