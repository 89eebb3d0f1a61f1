"""In-band registration (XEP-0077): an account made on a stream before its login, a password changed in a session.

The forms of the wire, fields or a data form (XEP-0004), come out as one kind of `Form`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from xmppctl.stanza import build

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from xmppctl.config.secrets import Secret
    from xmppctl.session.base import Session
    from xmppctl.stanza.frame import Frame

NS_REGISTER: Final = "jabber:iq:register"
NS_DATA: Final = "jabber:x:data"
NS_OOB: Final = "jabber:x:oob"

_NOT_FIELDS: Final = frozenset({"instructions", "registered", "remove"})


class Stream(Protocol):
    """A stream before authentication, as `session.login.Login` is one."""

    def request(self, stanza: str, doing: str) -> Frame:
        """Send an iq and return its result."""


class Field(NamedTuple):
    """One thing that the server wants to know. `value` is what it suggests; a hidden one goes back as it came."""

    name: str
    label: str
    required: bool = True
    hidden: bool = False
    values: tuple[str, ...] = ()


class Form(NamedTuple):
    """What a server asks of somebody who registers. `data`: as a data form; `urls`: where there is more to see."""

    fields: tuple[Field, ...]
    instructions: str = ""
    data: bool = False
    urls: tuple[str, ...] = ()

    @property
    def open_fields(self) -> tuple[Field, ...]:
        """Those that somebody must fill in besides name and password."""
        return tuple(
            field for field in self.fields if not field.hidden and field.name not in ("username", "password")
        )


def ask_form(stream: Stream, domain: str) -> Form:
    """Ask a server what it takes to register (section 3.1). Raises StanzaRefused."""
    request = build.iq("get", f"<query xmlns='{NS_REGISTER}'/>", to=domain)
    return parse_form(stream.request(request, "asking how to register"))


def submit(
    stream: Stream, domain: str, form: Form, username: str, password: Secret, answers: Mapping[str, str]
) -> None:
    """Register (section 3.1). `answers` fills the other fields by their names. Raises StanzaRefused."""
    answers = {**answers, "username": username}
    stream.request(build.iq("set", _filled(form, answers, password), to=domain), "registering")


def parse_form(reply: Frame) -> Form:
    """Read the reply to a query for registration. Text in it is the server's, as it came."""
    query = reply.element().find(f"{{{NS_REGISTER}}}query")
    if query is None:
        return Form(())
    urls = tuple(url.text or "" for url in query.iter(f"{{{NS_OOB}}}url"))
    data = query.find(f"{{{NS_DATA}}}x")
    if data is not None:
        told = [
            part.text or ""
            for part in data
            if part.tag in (f"{{{NS_DATA}}}title", f"{{{NS_DATA}}}instructions")
        ]
        fields = tuple(_field(field) for field in data.iterfind(f"{{{NS_DATA}}}field") if field.get("var"))
        return Form(fields, "\n".join(told), True, urls)
    fields = tuple(
        Field(name, name, values=(child.text,) if child.text else ())
        for child in query
        if child.tag.startswith(f"{{{NS_REGISTER}}}")
        and (name := child.tag.rpartition("}")[2]) not in _NOT_FIELDS
    )
    return Form(fields, query.findtext(f"{{{NS_REGISTER}}}instructions") or "", False, urls)


def _field(element: Element) -> Field:
    name = element.get("var") or ""
    return Field(
        name,
        element.get("label") or name,
        required=element.find(f"{{{NS_DATA}}}required") is not None,
        hidden=element.get("type") in ("hidden", "fixed"),
        values=tuple(value.text or "" for value in element.iterfind(f"{{{NS_DATA}}}value")),
    )


def _filled(form: Form, answers: Mapping[str, str], password: Secret) -> str:
    def values(field: Field) -> tuple[str, ...]:
        if field.name == "password":
            return (password.reveal(),)
        return (answers[field.name],) if field.name in answers else field.values

    if not form.data:
        fields = form.fields or (Field("username", ""), Field("password", ""))
        content = "".join(
            f"<{field.name}>{build.escape(value)}</{field.name}>"
            for field in fields
            for value in values(field)[:1]
        )
        return f"<query xmlns='{NS_REGISTER}'>{content}</query>"
    content = "".join(
        f"<field{build.attributes({'var': field.name})}>"
        + "".join(f"<value>{build.escape(value)}</value>" for value in values(field))
        + "</field>"
        for field in form.fields
        if values(field)
    )
    return f"<query xmlns='{NS_REGISTER}'><x xmlns='{NS_DATA}' type='submit'>{content}</x></query>"


async def change_password(session: Session, password: Secret) -> None:
    """Change the own account's password on its server (section 3.3). Raises StanzaRefused, DeadlineExceeded."""
    await session.request(
        build.iq(
            "set",
            f"<query xmlns='{NS_REGISTER}'><username>{build.escape(session.jid.local)}</username>"
            f"<password>{build.escape(password.reveal())}</password></query>",
            to=session.jid.domain,
        )
    )
