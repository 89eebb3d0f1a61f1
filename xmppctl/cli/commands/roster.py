"""`xmppctl roster`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from xmppctl.cli import complete
from xmppctl.cli.tree import Group
from xmppctl.errors import PartialFailure, StanzaCondition, StanzaRefused, UsageError

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.protocols.contacts import Contact, Resource
    from xmppctl.protocols.roster import Listing
    from xmppctl.session.base import Session


@click.group(cls=Group)
def command() -> None:
    """List and edit contacts (RFC 6121)."""


@command.command("list")
@click.pass_obj
def list_(app: App) -> None:
    """Show the contacts, sorted by JID.

    Through a daemon that shows a presence (xmppctl status) it also tells where they are online; in JSON as resources,
    which is empty for who is offline, and missing where that is not known.
    """
    app.renderer()

    async def main(session: Session) -> tuple[Listing, bool]:
        from xmppctl.cli.progress import Progress
        from xmppctl.protocols.roster import listing

        with Progress(app, "fetching the roster") as progress:
            return await listing(session, progress), session.attached

    with _no_collecting():
        _list(app, *app.run(main))


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Make many small things that stay: looking through them for garbage, again and again, takes longer than that."""
    import gc

    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _list(app: App, listing: Listing, attached: bool) -> None:
    contacts, resources = listing
    complete.remember(app, [each.jid for each in contacts])
    columns: tuple[str, ...] = ("JID", "Name", "Subscription", "Ask", "Groups")
    rows: list[tuple[object, ...]] = [
        (each.jid, each.name, each.subscription, each.ask, each.groups) for each in contacts
    ]
    records = [each.record for each in contacts]
    if resources is not None:
        columns = (*columns, "Online")
        rows = [
            (*row, _online(resources.get(each.jid, ()))) for row, each in zip(rows, contacts, strict=True)
        ]
        for record, each in zip(records, contacts, strict=True):
            here = resources.get(each.jid, ())
            if here or each.subscription in ("to", "both"):  # of others a presence may come, and need not
                record["resources"] = [resource.record for resource in here]
    app.renderer().table(columns, rows, records)
    if not contacts:
        app.note("the roster is empty")
    elif attached and resources is None:
        app.note(
            "who is online is not known: others' presence comes only while the daemon shows one (xmppctl status)"
        )


def _online(resources: Iterable[Resource]) -> tuple[str, ...]:
    """Where a contact is online, for people; the resource that messages go to first."""
    return tuple(
        f"{each.show or 'online'} ({each.name})" if each.name else each.show or "online"
        for each in sorted(resources, key=lambda each: -each.priority)
    )


@command.command("add")
@click.argument("contact", metavar="JID", shell_complete=complete.jids)
@click.option("--name", metavar="NAME", help="What you call the contact.")
@click.option("-g", "--group", "groups", multiple=True, metavar="GROUP", help="A group to be in; repeatable.")
@click.option(
    "--subscribe/--no-subscribe",
    default=True,
    show_default=True,
    help="Whether to ask for the contact's presence.",
)
@click.pass_obj
def add(app: App, contact: str, name: str | None, groups: tuple[str, ...], subscribe: bool) -> None:
    """Add a contact and ask for its presence.

    One that is there already keeps the name and the groups that are not given.
    """
    whom = _bare(contact)
    _check(name, groups)
    app.renderer()

    async def main(session: Session) -> None:
        from xmppctl.protocols import roster

        old = (await roster.fetch(session)).get(whom)
        await roster.put(session, whom, *_merged(old, name, groups))
        asked = subscribe and (old is None or old.subscription not in ("to", "both"))
        if asked:
            await roster.subscribe(session, whom)
        done = "added" if old is None else "changed"
        await _told(app, session, whom, done, "asked for its presence" if asked else "")

    app.run(main)


@command.command("set")
@click.argument("contact", metavar="JID", shell_complete=complete.jids)
@click.option("--name", metavar="NAME", help="What you call the contact; empty: nothing.")
@click.option(
    "-g", "--group", "groups", multiple=True, metavar="GROUP", help="The groups to be in; repeatable."
)
@click.option("--no-groups", is_flag=True, help="Be in no group.")
@click.pass_obj
def set_(app: App, contact: str, name: str | None, groups: tuple[str, ...], no_groups: bool) -> None:
    """Change the name or the groups of a contact; what is not given stays."""
    whom = _parsed(contact)
    _check(name, groups)
    if groups and no_groups:
        raise UsageError("--group and --no-groups exclude each other")
    if name is None and not groups and not no_groups:
        raise UsageError("nothing to change", hint="give --name, --group or --no-groups")
    app.renderer()

    async def main(session: Session) -> None:
        from xmppctl.protocols import roster

        old = (await roster.fetch(session)).get(whom)
        if old is None:
            raise _not_there(whom)
        new_name, new_groups = _merged(old, name, groups)
        await roster.put(session, whom, new_name, () if no_groups else new_groups)
        await _told(app, session, whom, "changed")

    app.run(main)


@command.command("remove")
@click.argument("jids", nargs=-1, required=True, metavar="JID...", shell_complete=complete.jids)
@click.pass_obj
def remove(app: App, jids: tuple[str, ...]) -> None:
    """Remove contacts, and the subscriptions in both directions with them."""
    whom = list(dict.fromkeys(_parsed(jid) for jid in jids))
    renderer = app.renderer()
    if len(whom) > 1:
        renderer.begin_list()

    async def main(session: Session) -> None:
        from xmppctl.protocols import roster

        known = await roster.fetch(session)

        async def one(jid: str) -> None:
            if jid not in known:
                raise _not_there(jid)
            await roster.remove(session, jid)
            if app.output != "text":
                renderer.record({"jid": jid, "done": "removed"})
            app.note(f"removed {jid}")

        await _each(app, whom, one)

    app.run(main)


async def _each(app: App, jids: list[str], one: Callable[[str], Coroutine[Any, Any, None]]) -> None:
    """Do something for each; a refusal of one does not keep the others from it."""
    failures: list[StanzaRefused] = []
    for jid in jids:
        try:
            await one(jid)
        except StanzaRefused as refused:
            failures.append(refused)
            if len(jids) > 1:
                app.tell(refused)
    if not failures:
        return
    if len(failures) < len(jids):
        raise PartialFailure(f"{len(failures)} of {len(jids)} contacts failed")
    if len(jids) == 1:
        raise failures[0]
    raise StanzaRefused(f"all {len(jids)} contacts failed", reason=failures[0].reason)


async def _told(app: App, session: Session, jid: str, done: str, more: str = "") -> None:
    """Tell what has become of a contact, as the server has it."""
    if app.output != "text":
        from xmppctl.protocols.contacts import Contact
        from xmppctl.protocols.roster import fetch

        contact = (await fetch(session)).get(jid) or Contact(jid)
        app.renderer().record(contact.record | {"done": done})
    app.note(f"{done} {jid}" + (f"; {more}" if more else ""))


def _merged(
    old: Contact | None, name: str | None, groups: tuple[str, ...]
) -> tuple[str | None, tuple[str, ...]]:
    """What is given, else what is there."""
    if old is None:
        return name or None, groups
    return (old.name if name is None else name or None), groups or old.groups


def _check(name: str | None, groups: tuple[str, ...]) -> None:
    """Raise MalformedInput and UsageError before anything is sent."""
    from xmppctl.stanza.build import escape

    for text in (name or "", *groups):
        escape(text)
    if "" in groups:
        raise UsageError("a group's name is empty")


def _parsed(jid: str) -> str:
    from xmppctl.stanza.jid import Jid

    return str(Jid.parse(jid))


def _bare(text: str) -> str:
    from xmppctl.stanza.jid import Jid

    jid = Jid.parse(text)
    if jid.resource:
        raise UsageError(f"{jid} is one resource; a contact is the whole account", hint=f"add {jid.bare}")
    return str(jid)


def _not_there(jid: str) -> StanzaRefused:
    return StanzaRefused(
        f"{jid} is not in the roster (item-not-found)",
        reason=StanzaCondition("item-not-found", "cancel"),
        hint="see xmppctl roster list",
    )
