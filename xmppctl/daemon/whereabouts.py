"""Where contacts are online, by their presence: small, and bounded whatever they send. Sans-IO.

RFC 6121 section 4. A contact that shows a thousand resources is kept with its latest ones, a long text with its
beginning; where all of it takes more than a roster of 35,000 contacts ever should, what is new is not kept.
"""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING, Final

from xmppctl.protocols.contacts import Resource
from xmppctl.session.base import prepared

if TYPE_CHECKING:
    from xmppctl.stanza.frame import Frame

#: Resources of one contact.
MAX_RESOURCES: Final = 32
#: Characters of a status.
MAX_STATUS: Final = 512
#: All of it, in bytes, about.
MAX_BYTES: Final = 32 * 1024 * 1024

#: What a resource takes besides its texts, with its share of the tables.
_RESOURCE_BYTES: Final = 250
_SHOWS: Final = ("chat", "away", "xa", "dnd")
#: Texts that many contacts share are kept once, up to so many of up to so many characters.
_SHARED, _SHARED_LENGTH = 4096, 64

_NOWHERE: Final[tuple[Resource, ...]] = ()


class Whereabouts:
    """The resources of each contact, by prepared bare JID."""

    def __init__(self) -> None:
        self.clear()

    def __len__(self) -> int:
        """How many contacts are online."""
        return len(self._resources)

    def of(self, jid: str) -> tuple[Resource, ...]:
        """Where this contact is online, the latest last."""
        return self._resources.get(jid, _NOWHERE)

    def take(self, frame: Frame, contacts: Container[str] | None) -> None:
        """Take a presence. Of others than `contacts` (None: they are not known yet) nothing is kept."""
        kind = frame.type
        if kind is not None and kind != "unavailable":
            return
        bare, _, resource = (prepared(frame.sender) or "").partition("/")
        if not bare or (contacts is not None and bare not in contacts):
            return
        known = self._resources.get(bare, _NOWHERE)
        if kind is None:
            here = tuple(each for each in known if each.name != resource)[-(MAX_RESOURCES - 1) :]
            self._put(bare, known, (*here, self._read(resource, frame)))
        elif known:  # without a resource: all of them
            self._put(bare, known, tuple(each for each in known if resource and each.name != resource))

    def keep(self, contacts: Container[str]) -> None:
        """Forget all others."""
        for jid in [jid for jid in self._resources if jid not in contacts]:
            self.forget(jid)

    def forget(self, jid: str) -> None:
        """Forget this contact's."""
        self._put(jid, self._resources.get(jid, _NOWHERE), _NOWHERE)

    def clear(self) -> None:
        """Forget all of it."""
        self._resources: dict[str, tuple[Resource, ...]] = {}
        self._texts: dict[str, str] = {}
        self._bytes = 0
        #: How many resources there are.
        self.resources = 0

    def _put(self, jid: str, known: tuple[Resource, ...], here: tuple[Resource, ...]) -> None:
        before, after = sum(map(_size, known)), sum(map(_size, here))
        if after > before and self._bytes + after - before > MAX_BYTES:
            here = here[:-1]  # rather nothing of it than what was true before
            after = sum(map(_size, here))
        self._bytes += after - before
        self.resources += len(here) - len(known)
        if here:
            self._resources[jid] = here
        else:
            self._resources.pop(jid, None)

    def _read(self, resource: str, frame: Frame) -> Resource:
        texts = dict.fromkeys(("show", "status", "priority"), "")
        if frame.payloads:
            for child in frame.element():
                namespace, _, name = str(child.tag).rpartition("}")
                if namespace[1:] == frame.namespace and not texts.get(name, " "):
                    texts[name] = "".join(child.itertext())
        status = texts["status"]
        if len(status) > MAX_STATUS:
            status = status[: MAX_STATUS - 1] + "…"
        show = texts["show"].strip()
        return Resource(
            self._share(resource),
            show if show in _SHOWS else None,
            self._share(status) or None,
            _priority(texts["priority"].strip()),
        )

    def _share(self, text: str) -> str:
        known = self._texts.get(text)
        if known is None:
            if len(text) <= _SHARED_LENGTH and len(self._texts) < _SHARED:
                self._texts[text] = text
            return text
        return known


def _size(resource: Resource) -> int:
    return _RESOURCE_BYTES + _text_size(resource.name) + _text_size(resource.status or "")


def _text_size(text: str) -> int:
    return len(text) if text.isascii() else 4 * len(text)  # an emoji makes every character as wide as itself


def _priority(text: str) -> int:
    """Section 4.7.2.3: from -128 to 127."""
    try:
        priority = int(text) if len(text) <= 4 else 0
    except ValueError:
        return 0
    return priority if -128 <= priority <= 127 else 0
