"""The steps of a login in words, for `account test` and for -v."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xmppctl.session.login import Step


def milliseconds(seconds: float) -> float:
    """What is shown of a time."""
    return round(seconds * 1000, 1)


def lines(name: str, seconds: float, told: Sequence[str]) -> list[str]:
    """A step as lines for a terminal, what is told of it in a column of its own; safe to show."""
    from xmppctl.output.safe import safe

    head = f"{name:<9}{milliseconds(seconds):>8.1f} ms  "
    return [
        (head if number == 0 else " " * len(head)) + safe(part) for number, part in enumerate(told or [""])
    ]


def told(step: Step) -> list[str]:
    """What a step says, the most important first; network text as it came."""
    detail = step.detail
    if step.name == "dns":
        return [f"{detail['host']}:{detail['port']} ({detail['source']}): {', '.join(detail['addresses'])}"]
    if step.name == "tls":
        return _told_tls(detail)
    if step.name == "features":
        from xmppctl.stanza.namespaces import xep_of

        names = [name.rpartition(" ")[0] for name in detail["features"]]
        return [", ".join(f"{name} ({xep})" if (xep := xep_of(name)) else name for name in names)]
    return [", ".join(str(value) for key, value in detail.items() if key != "tls")]


def _told_tls(detail: Mapping[str, Any]) -> list[str]:
    told = [f"{detail.get('version')} {detail.get('cipher')}"]
    if detail.get("alpn"):
        told[0] += f", ALPN {detail['alpn']}"
    if detail.get("subject") is not None:
        told.append(
            f"certificate {detail['subject'] or '(no subject)'}, for {', '.join(detail.get('names') or ['no name'])}"
        )
        told.append(
            f"issued by {detail['issuer']}, expires {detail['not_after']}{_days_left(detail['not_after'])}"
        )
    else:
        told.append("the certificate was not checked")
    if detail.get("pin"):
        told.append(f"pin sha256/{detail['pin']}")
    return told


def _days_left(not_after: str) -> str:
    from ssl import cert_time_to_seconds
    from time import time

    try:
        return f" (in {int((cert_time_to_seconds(not_after) - time()) // 86400)} days)"
    except ValueError:
        return ""
