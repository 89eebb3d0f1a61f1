from __future__ import annotations

from typing import Any

import pytest

from tests.daemon.conftest import House, attribute
from xmppctl.daemon.parts import Request
from xmppctl.errors import ConfigError, DeadlineExceeded
from xmppctl.session.local import error_of
from xmppctl.stanza.frame import Frame


def ask(
    name: str = "thing", id_: str = "1", type_: str = "get", namespace: str = "urn:xmppctl:daemon:1"
) -> str:
    return f"<iq type='{type_}' id='{id_}' to='daemon.xmppctl.invalid'><{name} xmlns='{namespace}'/></iq>"


def served(house: House, name: str = "thing") -> list[Request]:
    requests: list[Request] = []
    house.hub.service(name, requests.append)
    return requests


def test_a_service_answers_now_or_later_and_once(house: House) -> None:
    requests = served(house)
    talker = house.join()
    talker.read()
    talker.say(ask(id_="&lt;"))
    (request,) = requests
    assert request.client is talker.client and request.frame.id == "<"
    assert talker.read() == []
    request.reply("<done xmlns='urn:x'/>")
    request.reply("<done xmlns='urn:x'/>")
    request.refuse(ConfigError("too late"))
    assert talker.read() == [
        "<iq type='result' id='&lt;' from='daemon.xmppctl.invalid'><done xmlns='urn:x'/></iq>"
    ]
    assert house.link.texts == []


def refusals(house: House, service: Any) -> list[Frame]:
    house.hub.service("thing", service)
    talker = house.bound()
    return talker.say(ask()).frames()


def test_a_service_refuses_and_the_client_rebuilds_the_error(house: House) -> None:
    def refuse(request: Request) -> None:
        request.refuse(DeadlineExceeded("too slow", hint="be quick"))

    def throw(_: Request) -> None:
        raise ConfigError("no & <never>\x00", hint="\udc80")

    (told,) = refusals(house, refuse)
    error = error_of(told)
    assert isinstance(error, DeadlineExceeded) and (error.message, error.hint) == ("too slow", "be quick")
    (told,) = refusals(house, throw)
    error = error_of(told)
    assert isinstance(error, ConfigError) and (error.message, error.hint) == ("no & <never>\ufffd", "\ufffd")


def test_a_mistake_in_a_service_ends_nothing_is_told_and_noted_without_its_words(house: House) -> None:
    def fail(_: Request) -> None:
        raise ValueError("hunter2")

    (told,) = refusals(house, fail)
    error = error_of(told)
    assert error is not None and error.name == "bug"
    (note,) = house.notes
    assert "ValueError" in note and "test_requests.py" in note and "hunter2" not in note + told.text


@pytest.mark.parametrize(
    "request_",
    [
        ask("unknown"),
        ask(namespace="urn:other"),
        "<iq type='get' id='1' to='daemon.xmppctl.invalid'/>",
        "<iq type='odd' id='1' to='daemon.xmppctl.invalid'/>",
    ],
)
def test_what_nobody_serves_is_refused_or_passed_over(house: House, request_: str) -> None:
    served(house)
    talker = house.bound()
    told = talker.say(request_).read()
    if "odd" in request_:
        assert told == []
    else:
        assert "<service-unavailable" in told[0] and attribute(told[0], "id") == "1"
    assert house.link.texts == [] and not talker.client.ended


@pytest.mark.parametrize("type_", ["result", "error"])
def test_the_daemon_wants_no_answers(house: House, type_: str) -> None:
    requests = served(house)
    talker = house.bound()
    assert talker.say(ask(type_=type_)).read() == []
    assert requests == [] and house.link.texts == []


def test_the_answer_for_a_client_that_is_gone_goes_nowhere(house: House) -> None:
    requests = served(house)
    talker, other = house.bound(), house.bound()
    talker.say(ask())
    talker.die()
    requests[0].reply()
    assert talker.read() == other.read() == []


def test_requests_are_served_without_binding_and_while_offline(offline: House) -> None:
    served(offline)
    talker = offline.join()
    talker.read()
    assert talker.say(ask("unknown")).read() != []
