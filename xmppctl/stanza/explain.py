"""What error conditions commonly mean, and what to try. Sans-IO.

Stanza errors (RFC 6120 section 8.3.3), SASL failures (section 6.5), stream errors (section 4.9.3). The sentences
are for people who do not know the RFC; the condition itself is always shown beside them. `conditions` has those that
XEPs define, and what the common ones mean in a room or an archive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from xmppctl.errors import StanzaCondition
from xmppctl.stanza.conditions import APPLICATION, CONTEXT, Explanation

STANZA: Final[Mapping[str, Explanation]] = {
    "bad-request": (
        "The request has a part that is missing, wrong or in the wrong place.",
        "Compare the request with the example in its specification.",
    ),
    "conflict": (
        "Something with this name exists already.",
        "Choose another name, or use what is there.",
    ),
    "feature-not-implemented": (
        "The other side knows the request but has not built this part of it.",
        "See what it supports with `xmppctl disco info`.",
    ),
    "forbidden": (
        "You are known there, but may not do this.",
        "Ask an owner or administrator for the right, or use an account that has it.",
    ),
    "gone": (
        "The address is no longer in use.",
        "Use the new address, if the error names one.",
    ),
    "internal-server-error": (
        "The other side failed in a way it did not foresee.",
        "Try again later; if it stays so, its administrator finds more in the server's log.",
    ),
    "item-not-found": (
        "There is no such address, node or item, or you may not know of it.",
        "Check the spelling; `xmppctl disco items` lists what there is.",
    ),
    "jid-malformed": (
        "An address in the stanza is not a valid JID.",
        "Check the address; some characters must be escaped before the @ (XEP-0106).",
    ),
    "not-acceptable": (
        "The other side understands the request, but not with these values.",
        "Check the values against what the service asks for, for example in its form.",
    ),
    "not-allowed": (
        "Nobody may do this here.",
        "The service would have to be configured otherwise; ask its administrator.",
    ),
    "not-authorized": (
        "Proof of who you are is missing or wrong, as a password or an approval.",
        "Give the password of the room or service, or ask to be let in.",
    ),
    "policy-violation": (
        "A local rule of the server forbids it, as a limit of size or rate.",
        "Send less or more slowly; the text of the error may name the rule.",
    ),
    "recipient-unavailable": (
        "The recipient is not online at the moment.",
        "Try again when they are, or send to the bare JID so that the server can keep it.",
    ),
    "redirect": (
        "Another address has to be asked instead.",
        "Use the address that the error names.",
    ),
    "registration-required": (
        "You must be registered or a member first.",
        "Register with the service, or ask for membership.",
    ),
    "remote-server-not-found": (
        "Your server cannot find the other server.",
        "Check the spelling of the domain and whether its DNS records exist.",
    ),
    "remote-server-timeout": (
        "Your server found the other server but cannot talk to it.",
        "Try again later; it may be down, or federation may be blocked between the two.",
    ),
    "resource-constraint": (
        "The other side is too busy, or a quota is used up.",
        "Try again later, or ask for less.",
    ),
    "service-unavailable": (
        "The recipient does not exist, is not online, or does not offer this.",
        "Check the address; `xmppctl disco info` tells what it offers.",
    ),
    "subscription-required": (
        "Only who is subscribed to the other side's presence may do this.",
        "Ask them for a subscription and wait for approval.",
    ),
    "undefined-condition": (
        "The other side did not say in a standard way what went wrong.",
        "Read the text and the specific condition in the error, if there are any.",
    ),
    "unexpected-request": (
        "The request came out of order.",
        "Do first what the protocol wants first, as joining, subscribing or configuring.",
    ),
}

#: XEP-0060 section 17.2 (pubsub#errors): what the error says beyond its condition.
PUBSUB: Final[Mapping[str, Explanation]] = {
    "closed-node": ("The node lets in only whom its owner named.", "Ask its owner to add you."),
    "configuration-required": ("The node must be configured first.", "Send its configuration form."),
    "invalid-jid": ("The subscriber is not the account that asks.", "Subscribe the JID of this session."),
    "invalid-options": (
        "An option of the subscription is not valid.",
        "Leave the options out, or correct them.",
    ),
    "invalid-payload": ("The node does not take this kind of payload.", "Use the one in its configuration."),
    "invalid-subid": ("There is no subscription with this id.", "List the subscriptions to see their ids."),
    "item-forbidden": ("The node takes no item in this request.", "Leave the item out."),
    "item-required": ("The request must hold an item.", "Give the item or its id."),
    "jid-required": ("The request must name a JID.", "Name the JID of the subscriber."),
    "max-items-exceeded": ("The node keeps no more items.", "Ask for or publish fewer."),
    "max-nodes-exceeded": ("The service allows no more nodes.", "Delete a node first."),
    "nodeid-required": ("The request must name a node.", "Give the name of the node."),
    "not-in-roster-group": (
        "Only members of a group in the owner's roster may do this.",
        "Ask the owner to add you to it.",
    ),
    "not-subscribed": (
        "There is no subscription to undo or to use.",
        "List the subscriptions, or subscribe.",
    ),
    "payload-too-big": ("The payload is larger than the node allows.", "Publish less at once."),
    "payload-required": ("The item must have a payload.", "Publish it with its content."),
    "pending-subscription": ("The owner has not approved the subscription yet.", "Wait for the approval."),
    "precondition-not-met": (
        "The node exists with another configuration than the one asked for.",
        "Configure the node first, or publish without options.",
    ),
    "presence-subscription-required": (
        "Only who is subscribed to the owner's presence may do this.",
        "Ask the owner for a subscription and wait for approval.",
    ),
    "subid-required": ("There are several subscriptions.", "Name the one that is meant by its id."),
    "too-many-subscriptions": ("The limit of subscriptions is reached.", "Undo one first."),
    "unsupported": ("The service does not have this feature.", "See what it has with `xmppctl disco info`."),
    "unsupported-access-model": (
        "The service does not know this access model.",
        "Choose another, as open or whitelist.",
    ),
}

SASL: Final[Mapping[str, Explanation]] = {
    "aborted": (
        "The login was broken off, on our own request.",
        "Try again; `xmppctl account test` shows each step.",
    ),
    "account-disabled": (
        "The account exists but has been locked.",
        "Ask the server's administrator to unlock it.",
    ),
    "credentials-expired": (
        "The password or certificate was right but is no longer valid.",
        "Renew it with the provider, then store the new one.",
    ),
    "encryption-required": (
        "The server takes this login only over TLS.",
        'Remove `tls = "none"` from the account.',
    ),
    "incorrect-encoding": (
        "The server could not decode what was sent as base64.",
        "This is a bug in one of the two programs; a trace (`--trace FILE`) shows which.",
    ),
    "invalid-authzid": (
        "The identity that was asked for is malformed or not yours to use.",
        "Check the JID of the account.",
    ),
    "invalid-mechanism": (
        "The server does not offer the way of logging in that was used.",
        "`xmppctl account test` shows what it offers.",
    ),
    "malformed-request": (
        "The server could not understand a step of the login.",
        "This is a bug in one of the two programs; a trace (`--trace FILE`) shows which.",
    ),
    "mechanism-too-weak": (
        "The server wants a safer way of logging in for this account.",
        "Use SCRAM or a client certificate instead of PLAIN.",
    ),
    "not-authorized": (
        "The user name or the password is wrong, or there is no such account.",
        "Check the name and the password; `xmppctl account test` shows each step of the login.",
    ),
    "temporary-auth-failure": (
        "The server cannot check passwords at the moment.",
        "Try again later.",
    ),
}

STREAM: Final[Mapping[str, Explanation]] = {
    "bad-format": (
        "The server could not process XML that it was sent.",
        "Check what was sent raw; a trace (`--trace FILE`) shows it.",
    ),
    "bad-namespace-prefix": (
        "A namespace prefix was used that the server does not accept.",
        "Declare each prefix where it is used.",
    ),
    "conflict": (
        "Another session took over this resource, or the server wants a new stream.",
        "Leave out `--resource` so that each session gets its own.",
    ),
    "connection-timeout": (
        "The server heard nothing for too long.",
        "Connect again; look for a network that drops idle connections.",
    ),
    "host-gone": (
        "This server no longer serves that domain.",
        "Ask the provider where the domain has moved.",
    ),
    "host-unknown": (
        "This server does not serve the domain of the account.",
        "Check the domain in the JID, and `--host` if it is given.",
    ),
    "improper-addressing": (
        "A stanza had no valid `to` or `from` where one is needed.",
        "Components must set both; check what was sent raw.",
    ),
    "internal-server-error": (
        "The server failed in a way it did not foresee.",
        "Try again later; its administrator finds more in the log.",
    ),
    "invalid-from": (
        "A stanza carried a `from` that is not yours.",
        "Leave `from` out, or use the address of this session.",
    ),
    "invalid-namespace": (
        "The stream was opened in a namespace that this port does not speak.",
        "Check the port: clients use 5222 or 5223, components another one.",
    ),
    "invalid-xml": (
        "The server checks XML against a schema, and it did not fit.",
        "Compare what was sent with its specification.",
    ),
    "not-authorized": (
        "Something was sent that needs a login first, or the component secret is wrong.",
        "Check the login or the secret.",
    ),
    "not-well-formed": (
        "The server was sent XML that is not well-formed.",
        "Check what was sent raw; a trace (`--trace FILE`) shows it.",
    ),
    "policy-violation": (
        "A local rule of the server was broken, as a limit of size, rate or connections.",
        "Send less or more slowly; the text of the error may name the rule.",
    ),
    "remote-connection-failed": (
        "The server cannot reach another one that it needs, as its login service.",
        "Try again later.",
    ),
    "reset": (
        "The server wants the connection to be made anew.",
        "Connect again.",
    ),
    "resource-constraint": (
        "The server is too busy for another connection.",
        "Try again later, or close other sessions.",
    ),
    "restricted-xml": (
        "XML was sent that XMPP forbids: a comment, a processing instruction, a DTD or an entity.",
        "Take it out; characters beyond &amp; &lt; &gt; &quot; &apos; are written as they are.",
    ),
    "see-other-host": (
        "The server wants the connection to go to another host.",
        "If you trust that host, give it with `--host`.",
    ),
    "system-shutdown": (
        "The server is being stopped.",
        "Connect again when it is back.",
    ),
    "undefined-condition": (
        "The server did not say in a standard way what went wrong.",
        "Read the text and the specific condition in the error, if there are any.",
    ),
    "unsupported-encoding": (
        "The stream was not UTF-8.",
        "Check what was sent raw: XMPP is UTF-8 only.",
    ),
    "unsupported-feature": (
        "The server insists on a stream feature that this client does not have.",
        "A trace (`--trace FILE`) shows what it requires.",
    ),
    "unsupported-stanza-type": (
        "Something was sent that is neither a stanza nor anything else the server knows.",
        "Check the name and namespace of what was sent raw.",
    ),
    "unsupported-version": (
        "The server does not speak XMPP 1.0.",
        "Check host and port; the server may be very old.",
    ),
}


def explain(
    condition: StanzaCondition, sent_to: str | None = None, payloads: Iterable[str] = ()
) -> Explanation:
    """What a stanza error commonly means, and what to try.

    `sent_to` is the JID that refused, if known, `payloads` what the error stanza holds (`"namespace name"`).
    """
    namespace, _, name = condition.application.removeprefix("{").partition("}")
    if namespace == "http://jabber.org/protocol/pubsub#errors" and name in PUBSUB:
        return PUBSUB[name]
    if condition.application in APPLICATION:
        return APPLICATION[condition.application]
    for payload in payloads:
        told = CONTEXT.get(payload.rpartition(" ")[0], {}).get(condition.condition)
        if told is not None:
            return told
    known = STANZA.get(condition.condition, STANZA["undefined-condition"])
    if condition.condition != "service-unavailable" or not sent_to:
        return known
    bare, slash, _ = sent_to.partition("/")
    if slash:
        return (
            f"This resource of {bare} is not online, or does not offer this.",
            f"Send to {bare}: its server knows which resources are online.",
        )
    if "@" in sent_to:
        return (
            f"There is no account {sent_to}, it is not online, or it does not offer this.",
            "Check the spelling; servers do not tell strangers which of these it is.",
        )
    return f"{sent_to} does not offer this.", f"See what it offers with `xmppctl disco info {sent_to}`."


def explain_sasl(condition: str) -> Explanation:
    """What a SASL failure (RFC 6120 section 6.5) commonly means, and what to try."""
    fallback = (
        "The server refused the login without a standard reason.",
        "Read the text of the failure, if any.",
    )
    return SASL.get(condition, fallback)


def explain_stream(condition: str) -> Explanation:
    """What a stream error (RFC 6120 section 4.9.3) commonly means, and what to try."""
    return STREAM.get(condition, STREAM["undefined-condition"])
