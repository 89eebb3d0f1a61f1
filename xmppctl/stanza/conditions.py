"""Conditions that XEPs define, and those of RFC 6120 where a XEP gives them a meaning of its own. Sans-IO."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Explanation = tuple[str, str]

_COMMANDS: Final = "http://jabber.org/protocol/commands"
_JINGLE: Final = "urn:xmpp:jingle:errors:1"
_UPLOAD: Final = "urn:xmpp:http:upload:0"
_SI: Final = "http://jabber.org/protocol/si"
_AMP: Final = "http://jabber.org/protocol/amp#errors"
_AMP_CONDITIONS: Final = "http://jabber.org/protocol/amp"

#: Application-specific conditions (RFC 6120 section 8.3.4), as `{namespace}name`.
APPLICATION: Final[Mapping[str, Explanation]] = {
    # XEP-0050 section 4.4
    f"{{{_COMMANDS}}}bad-action": (
        "The command does not have this action at this stage.",
        "Use one of the actions that its last answer named.",
    ),
    f"{{{_COMMANDS}}}bad-locale": ("The command does not speak this language.", "Leave out xml:lang."),
    f"{{{_COMMANDS}}}bad-payload": (
        "The command cannot do with what it was given.",
        "Fill in the form that its last answer held.",
    ),
    f"{{{_COMMANDS}}}bad-sessionid": (
        "The command knows no session with this id.",
        "Begin it anew, without a sessionid.",
    ),
    f"{{{_COMMANDS}}}malformed-action": (
        "The command does not understand the action.",
        "Use execute, next, prev, complete or cancel.",
    ),
    f"{{{_COMMANDS}}}session-expired": ("The command has waited too long.", "Begin it anew."),
    # XEP-0363 section 5
    f"{{{_UPLOAD}}}file-too-large": (
        "The upload service takes no file of this size.",
        "Send a smaller one; the error's max-file-size tells how large it may be.",
    ),
    f"{{{_UPLOAD}}}retry": (
        "The quota of the upload service is used up for now.",
        "Try again at the time that the error names.",
    ),
    # XEP-0166 section 10
    f"{{{_JINGLE}}}out-of-order": (
        "The action does not fit the state that the Jingle session is in.",
        "See in which order the two sides sent their actions.",
    ),
    f"{{{_JINGLE}}}tie-break": (
        "Both sides asked for the same at the same time.",
        "Wait for the other side's request: it counts.",
    ),
    f"{{{_JINGLE}}}unknown-session": (
        "The other side knows no Jingle session with this sid.",
        "It may be over: begin a new one.",
    ),
    f"{{{_JINGLE}}}unsupported-info": (
        "The other side does not understand this session-info.",
        "Go on without it.",
    ),
    # XEP-0191 section 3.3
    "{urn:xmpp:blocking:errors}blocked": (
        "You have blocked the one you are writing to.",
        "Unblock the address first.",
    ),
    # XEP-0095 section 3
    f"{{{_SI}}}no-valid-streams": (
        "None of the ways to send the file that were offered is known there.",
        "Offer others, such as in-band bytestreams.",
    ),
    f"{{{_SI}}}bad-profile": ("The profile is not understood there.", "Use the one for file transfer."),
    # XEP-0079 section 6
    f"{{{_AMP}}}failed-rules": (
        "A rule of the message said to give it back in this case.",
        "Look at the rule that the error repeats.",
    ),
    f"{{{_AMP_CONDITIONS}}}unsupported-actions": (
        "The server does not have an action of a rule.",
        "Leave the rule out, or ask which it has by service discovery.",
    ),
    f"{{{_AMP_CONDITIONS}}}unsupported-conditions": (
        "The server does not have a condition of a rule.",
        "Leave the rule out, or ask which it has by service discovery.",
    ),
}

#: XEP-0045 section 7.2 and others: what a room says.
_ROOM: Final[Mapping[str, Explanation]] = {
    "conflict": ("Somebody else has this nickname in the room.", "Join with another nickname."),
    "not-authorized": ("The room wants a password, or another one.", "Give the password of the room."),
    "forbidden": (
        "You are banned from the room, or may not do this in it.",
        "Ask a moderator or an owner of the room.",
    ),
    "registration-required": (
        "The room is for members only.",
        "Ask an owner for membership, or register with the room.",
    ),
    "item-not-found": (
        "There is no such room, or its owner has not configured it yet.",
        "Check the name; a new room must be configured by who made it.",
    ),
    "not-allowed": (
        "The service does not let you make rooms, or do this in one.",
        "Check the name of the room, or ask the service's administrator.",
    ),
    "not-acceptable": (
        "You must use the nickname that is reserved for you, or be in the room first.",
        "Join the room, with your own nickname there.",
    ),
    "service-unavailable": ("The room is full.", "Try again when somebody has left."),
    "jid-malformed": (
        "There is no nickname in the address.",
        "Join as room@service/nickname.",
    ),
}

#: XEP-0077: what registering says.
_REGISTRATION: Final[Mapping[str, Explanation]] = {
    "conflict": ("Somebody has this user name already.", "Choose another one."),
    "not-acceptable": (
        "A field is missing, or its value is not accepted (as a weak password).",
        "Fill in all that the registration form asks for.",
    ),
    "not-allowed": (
        "The server takes no registrations from clients.",
        "Ask its administrator for an account.",
    ),
    "forbidden": ("Registering is not allowed from here.", "Ask the server's administrator for an account."),
    "resource-constraint": (
        "Too many accounts were registered from here lately.",
        "Wait a while, then try again.",
    ),
    "not-authorized": ("The old password was wrong, or the form was not filled in.", "Check both."),
}

#: XEP-0313 section 4: what an archive says.
_ARCHIVE: Final[Mapping[str, Explanation]] = {
    "item-not-found": (
        "The archive has no message with the id that the page was to begin at.",
        "Ask without `after` or `before`; the message may have expired.",
    ),
    "forbidden": ("This archive is not yours to read.", "Ask its owner, or join the room first."),
    "feature-not-implemented": (
        "The archive cannot be searched by a field of the form.",
        "Ask it for its form (an empty query of type get), which has the fields that it knows.",
    ),
}

_MUC: Final = "http://jabber.org/protocol/muc"
#: What the conditions of RFC 6120 mean in an error that holds a payload of this namespace.
CONTEXT: Final[Mapping[str, Mapping[str, Explanation]]] = {
    _MUC: _ROOM,
    f"{_MUC}#user": _ROOM,
    f"{_MUC}#admin": _ROOM,
    f"{_MUC}#owner": _ROOM,
    "jabber:iq:register": _REGISTRATION,
    "urn:xmpp:mam:2": _ARCHIVE,
}
