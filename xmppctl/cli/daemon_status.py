"""`xmppctl daemon status`: what a daemon tells of itself, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from xmppctl import __version__
from xmppctl.errors import DaemonError, DeadlineExceeded, XmppctlError
from xmppctl.output.safe import safe

if TYPE_CHECKING:
    from xmppctl.cli.app import App
    from xmppctl.daemon.control import Place

#: What is a moment, in seconds since the epoch, wherever it stands.
_MOMENTS: Final = frozenset({"started", "since"})
#: How many of the last changes of the connection's state are shown to people.
_HISTORY: Final = 10


def show(app: App) -> None:
    """Show the account's daemon. Raises DaemonError where none runs."""
    from xmppctl.daemon import control
    from xmppctl.session.attach import chosen
    from xmppctl.session.deadline import Deadline

    settings = app.settings()
    place = control.place(settings, app.environ)
    told = place.info(Deadline(app.timeout()))
    if told is None and place.is_running:
        raise DaemonError(
            f"the daemon of {settings.name} is starting or ending", hint="repeat this in a moment"
        )
    if told is None:
        raise DaemonError(
            f"no daemon of {settings.name} runs", hint=f"start it: xmppctl daemon start {chosen(settings)}"
        )
    if not _is_ours(told):
        app.note(f"it is another release, xmppctl {told.get('version')}: this is what it tells")
        app.renderer().record(told)
        return
    app.renderer().record(record(told), "\n".join(lines(told)) if app.output == "text" else None)


def show_all(app: App) -> None:
    """Show every daemon of this user, a line each. One that does not answer is told, and is in the list as well."""
    from xmppctl.daemon import control
    from xmppctl.session.deadline import Deadline

    deadline = Deadline(app.timeout())
    records: list[Mapping[str, Any]] = []
    for place in control.everywhere(app.environ):
        told = _ask(app, place, deadline)
        if told is not None:
            records.append(record(told) if _is_ours(told) else told)
    rows = [
        (
            each["name"],
            each.get("jid"),
            each["connection"]["state"],
            each["pid"],
            seconds(each["uptime"]),
            len(each["clients"]),
            size(each["memory"].get("resident")),
        )
        if _is_ours(each)
        else (each.get("name"), each.get("jid"), _what_else(each), each.get("pid"), None, None, None)
        for each in records
    ]
    app.renderer().table(("Daemon", "JID", "State", "PID", "Up", "Clients", "Memory"), rows, records)
    if not records:
        app.note("no daemon runs")


def _ask(app: App, place: Place, deadline: Any) -> dict[str, Any] | None:
    try:
        told = place.info(deadline)
    except DeadlineExceeded:
        raise
    except XmppctlError as error:
        app.warn(error.message)
        told = None
    if told is None:
        from xmppctl.daemon import instance

        return {"name": place.name, "pid": instance.pid(place.lock)} if place.is_running else None
    return told


def _is_ours(told: Mapping[str, Any]) -> bool:
    """Whether it is a daemon of this release, which tells what we know."""
    return told.get("version") == __version__


def _what_else(told: Mapping[str, Any]) -> str:
    return f"is xmppctl {told['version']}" if "version" in told else "does not answer"


# -- for programs --


def record(told: Mapping[str, Any]) -> dict[str, Any]:
    """What a daemon tells, its moments as every record has them (RFC 3339)."""
    made: dict[str, Any] = _with_times(told)
    made["uptime"] = round(made["uptime"], 3)
    history = made["connection"]["history"]
    made["connection"]["history"] = [
        {"time": moment(time), "state": state, **({"reason": reason} if reason else {})}
        for time, state, reason in history
    ]
    return made


def _with_times(value: Any, key: str = "") -> Any:
    if isinstance(value, Mapping):
        return {name: _with_times(each, name) for name, each in value.items()}
    if key == "clients":
        return [_with_times(each) for each in value]
    return moment(value) if key in _MOMENTS and value is not None else value


def moment(time: float) -> str:
    """A moment, in seconds since the epoch, as RFC 3339 in UTC."""
    from xmppctl.output.records import utc_time

    return utc_time(time)


# -- for people --


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """What a daemon tells, as lines of a label and a text."""
    for label, text in _rows(told):
        yield f"{label:<11} {safe(text)}".rstrip()


def _rows(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    connection = told["connection"]
    yield (
        "daemon",
        f"{told['name']}: process {told['pid']}, up {seconds(told['uptime'])}, xmppctl {told['version']}",
    )
    yield "jid", told["jid"]
    yield "connection", _state(connection)
    if connection["state"] == "online":
        yield "server", _server(connection)
        yield "tls", _tls(connection["tls"])
        yield "sasl", connection["mechanism"] or "-"
        yield "stream", _management(connection["stream_management"])
    yield "traffic", _traffic(connection)
    yield "presence", _presence(told["presence"])
    yield "contacts", _contacts(told["contacts"])
    yield "spool", _spool(told["spool"])
    yield "memory", _memory(told["memory"])
    if told["until_idle"] is not None:
        yield "idling", f"ends after {seconds(told['until_idle'])} without anything to do"
    lost = told.get("log_lost")
    yield "log", told["log"] + (f"; {lost} lines could not be written: is the disk full?" if lost else "")
    history = connection["history"][-_HISTORY:]
    for number, (time, state, reason) in enumerate(history):
        yield "" if number else "history", f"{moment(time)}  {state:<10} {reason}".rstrip()
    clients = told["clients"]
    yield "clients", "" if clients else "none"
    for each in clients:
        yield "", _client(each)


def _state(connection: Mapping[str, Any]) -> str:
    told = f"{connection['state']} since {moment(connection['since'])}"
    return f"{told}: {connection['failure']}" if connection["failure"] else told


def _server(connection: Mapping[str, Any]) -> str:
    return f"{connection['server']} ({connection['address']})"


def _tls(tls: Mapping[str, Any] | None) -> str:
    if not tls:
        return "none"
    told = f"{tls.get('version')} {tls.get('cipher')}"
    if tls.get("subject") is None:
        return f"{told}, the certificate was not checked"
    return f"{told}, certificate {tls['subject'] or '(no subject)'} until {tls.get('not_after')}"


def _management(facts: Mapping[str, Any]) -> str:
    if not facts["enabled"]:
        return "no acknowledgements (XEP-0198)"
    if not facts["resumable"]:
        return "acknowledged, not resumable"
    times = facts["resumed"]
    return f"acknowledged, resumable, resumed {times} time{'' if times == 1 else 's'}"


def _traffic(connection: Mapping[str, Any]) -> str:
    counts = connection["counts"]
    told = (
        f"in {counts['stanzas_in']} stanzas, {size(counts['bytes_in'])}; "
        f"out {counts['stanzas_out']} stanzas, {size(counts['bytes_out'])}"
    )
    for name in ("unacknowledged", "held"):
        if connection[name]:
            told += f"; {connection[name]} {name}"
    return told


def _presence(facts: Mapping[str, Any]) -> str:
    shown = facts["shown"]
    if shown is None:
        told = "none"
    else:
        told = shown["show"] + (f' "{shown["status"]}"' if shown["status"] else "")
        told += f", priority {shown['priority']}" + ("" if facts["lasting"] else ", while a client wants it")
    return told + (f"; rooms: {', '.join(facts['rooms'])}" if facts["rooms"] else "")


def _contacts(facts: Mapping[str, Any]) -> str:
    if facts["contacts"] is None:
        return "not known yet"
    return f"{facts['contacts']}, {facts['online']} online"


def _spool(facts: Mapping[str, Any]) -> str:
    told = ", ".join(f"{count} {state}" for state, count in facts.items() if isinstance(count, int) and count)
    return (told or "empty") + (f"; {facts['trouble']}" if facts.get("trouble") else "")


def _memory(facts: Mapping[str, int]) -> str:
    peak = f"at most {size(facts['peak'])}"
    return f"{size(facts['resident'])}, {peak}" if "resident" in facts else peak


def _client(facts: Mapping[str, Any]) -> str:
    told = f"process {facts['pid'] or '?'} since {moment(facts['since'])}, {facts['stanzas']} stanzas"
    for name in ("unacknowledged", "queued", "dropped"):
        if facts[name]:
            told += f", {facts[name]} {name}"
    return told + ("" if facts["bound"] else ", not bound")


def seconds(value: float) -> str:
    """A time in the units that people use, two at most: `3 d 4 h`, `12 min`, `1.5 s`."""
    if value < 60:
        return f"{value:.1f} s" if value < 10 and value != int(value) else f"{int(value)} s"
    whole = int(value)
    for unit, size_, smaller, small in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size_:
            rest = whole % size_ // small
            return f"{whole // size_} {unit}" + (f" {rest} {smaller}" if rest else "")
    raise AssertionError(value)


def size(count: int | None) -> str | None:
    """Bytes in the units that people use."""
    if count is None:
        return None
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"
