"""`xmppctl disco`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from xmppctl.cli import complete
from xmppctl.cli.tree import Group

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.output.renderers import Renderer
    from xmppctl.protocols.disco import Form, Info
    from xmppctl.session.base import Session

F = TypeVar("F", bound=Callable[..., Any])


def _asked(function: F) -> F:
    """The parameters that both questions have."""
    function = click.option("--node", metavar="NODE", help="Ask about one of its nodes.")(function)
    return click.argument("to", required=False, metavar="[JID]", shell_complete=complete.jids)(function)


@click.group(cls=Group)
def command() -> None:
    """Ask what an entity is and has (XEP-0030)."""


@command.command("info", short_help="Ask what an entity is and supports")
@_asked
@click.pass_obj
def info(app: App, to: str | None, node: str | None) -> None:
    """Ask JID (default: the own server) for its identities, features and data forms."""
    target = _checked(to, node)
    renderer = app.renderer()

    async def main(session: Session) -> tuple[str, Info]:
        from xmppctl.protocols import disco

        whom = target or session.jid.domain
        return whom, await disco.info(session, whom, node)

    whom, found = app.run(main, plugins=True)
    complete.remember(app, [target] if target else [])
    if app.output == "text":
        _show(renderer, found)
    else:
        renderer.record({"jid": whom} | ({"node": node} if node else {}) | _record(found))


@command.command("items", short_help="Ask what an entity has")
@_asked
@click.pass_obj
def items(app: App, to: str | None, node: str | None) -> None:
    """Ask JID (default: the own server) for its items: services, rooms, nodes, commands."""
    target = _checked(to, node)
    renderer = app.renderer()

    async def main(session: Session) -> list[Any]:
        from xmppctl.protocols import disco

        return await disco.items(session, target or session.jid.domain, node)

    found = app.run(main, plugins=True)
    complete.remember(app, [each.jid for each in found])
    renderer.table(
        ("JID", "Node", "Name"),
        found,
        [_present(each._asdict(), optional=("node", "name")) for each in found],
    )
    if not found:
        app.note("it has no items")


def _checked(to: str | None, node: str | None) -> str | None:
    """The JID to ask, prepared. Raises BadJid, MalformedInput."""
    from xmppctl.stanza.build import escape_attribute
    from xmppctl.stanza.jid import Jid

    escape_attribute(node or "")
    return None if to is None else str(Jid.parse(to))


def _record(found: Info) -> dict[str, Any]:
    return {
        "identities": [_present(each._asdict(), optional=("name", "lang")) for each in found.identities],
        "features": found.features,
        "forms": [
            _present({"type": each.type, "fields": each.fields}, optional=("type",)) for each in found.forms
        ],
    }


def _present(record: dict[str, Any], optional: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value is not None or name not in optional}


def _show(renderer: Renderer, found: Info) -> None:
    """Tables of what there is, apart by an empty line."""
    from xmppctl.stanza.namespaces import spec_of

    tables: list[tuple[tuple[str, ...], list[tuple[object, ...]]]] = []
    if found.identities:
        tables.append((("Category", "Type", "Name", "Language"), [tuple(each) for each in found.identities]))
    if found.features:
        rows: list[tuple[object, ...]] = []
        for feature in found.features:
            spec = spec_of(feature)
            rows.append((feature, spec.number, spec.title) if spec else (feature, None, None))
        tables.append((("Feature", "Defined by", "Title"), rows))
    tables += [(("Form", "Field", "Value"), _form_rows(form)) for form in found.forms]
    for number, (columns, rows) in enumerate(tables):
        if number:
            renderer.record({}, "")
        renderer.table(columns, rows)


def _form_rows(form: Form) -> list[tuple[object, ...]]:
    """A row for each field; the form's type stands in the first."""
    names = [form.type, *[None] * len(form.fields)]
    rows: list[tuple[object, ...]] = [
        (name, field, values) for name, (field, values) in zip(names, form.fields.items(), strict=False)
    ]
    return rows or [(form.type, None, None)]
