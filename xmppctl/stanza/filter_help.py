"""The manual of the filter language: what `xmppctl help filters` and the man page print."""

from __future__ import annotations

from typing import Final

from xmppctl.stanza.namespaces import PREFIXES

_MANUAL: Final = r"""FILTERS

A filter is a list of terms; a stanza passes when all of them hold.

    [-]KEY:VALUE[,VALUE...]

  -KEY:VALUE   holds where the term does not. (After `--`, where the shell's word would be an option.)
  a,b          either of them holds
  *            any text, also none
  \, \* \\     a comma, a star, a backslash that is meant as such

KEYS

  kind:iq            message, presence, iq, nonza (features, SASL, stream errors, acknowledgements) or stream
                     (header, footer, white space)
  type:error         the type attribute. A message without one is normal, a presence without one is available
  dir:in             in or out, as seen from here
  from:JID           the from attribute. A JID without a resource covers all its resources; capital letters do
                     not matter where they do not in a JID: from:juliet@capulet.example, from:*@capulet.example
  to:JID             the to attribute
  with:JID           either of them
  id:TEXT            the id attribute
  ns:NAMESPACE       an element in this namespace, at any depth: ns:urn:xmpp:ping, ns:http://jabber.org/protocol/muc*
  xep:0060           an element in a namespace that this XEP defines, in any of its versions
  body:TEXT          the whole body of a message: body:hello, body:*hello*
  body:~REGEX        a part of the body matches a Python regular expression. All of it is the expression, commas
                     too; (?i) at its start ignores case. One that backtracks without end is not stopped
  xpath:EXPR         an XPath 1.0 expression whose value is a node, a true, a text that is not empty or a number
                     that is not 0. All of it is the expression, commas too. The stanza is the root element,
                     where a relative path begins: c:body, or /c:message/c:body; functions are those of XPath 1.0

PREFIXES IN XPATH

  c: is the namespace of the stream, so of message, presence, iq, body and error.

{prefixes}

EXAMPLES

    kind:message type:chat,normal with:juliet@capulet.example
    kind:iq type:error
    kind:presence -type:available from:*@conference.example
    -xep:0198 -kind:stream
    dir:in xep:0060
    id:abc*
    body:~(?i)\bverona\b
    to:romeo@montague.example/orchard
    ns:urn:xmpp:receipts,urn:xmpp:chat-markers:0
    xpath://event:item[@id='current']
    xpath:/c:message/c:error/err:*
    xpath:count(c:body)>1
"""


def filter_help() -> str:
    """The manual as text, at most 120 columns wide."""
    width = max(map(len, PREFIXES)) + 3
    lines = (f"  {prefix + ':':<{width}}{uri}" for prefix, uri in sorted(PREFIXES.items()) if prefix != "c")
    return _MANUAL.replace("{prefixes}", "\n".join(lines))
