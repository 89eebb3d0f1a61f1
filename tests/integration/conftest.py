"""Servers and the program for the integration cases.

A server that is not installed skips its cases on a developer's machine; with XMPPCTL_REQUIRE_SERVERS=1, which
`.ci/run` sets, it fails them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.home import Home
from tests.integration.program import Cli
from tests.servers.base import Server
from tests.servers.ejabberd import Ejabberd
from tests.servers.prosody import Prosody
from xmppctl.errors import MissingProgram
from xmppctl.sandbox.packages import find_program

# Read before the private_home fixture takes every XMPPCTL_ variable away.
REQUIRED = os.environ.get("XMPPCTL_REQUIRE_SERVERS") == "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here, so that `-m "not integration"` leaves it out."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.integration)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test of the program in each way that its mark `kinds` names: see `Cli`."""
    if "cli" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("kinds")
        metafunc.parametrize("kind", mark.args if mark else ("auto",))


def started(kind: type[Prosody] | type[Ejabberd]) -> Server:
    """A running server, or a skip, or a failure where servers are required."""
    try:
        server = kind()
    except MissingProgram as error:
        if REQUIRED:
            pytest.fail(f"{error.message}; {error.hint}", pytrace=False)
        pytest.skip(f"{kind.kind} is not installed: its cases did not run")
    server.start()
    return server


@pytest.fixture(scope="session", params=["prosody", "ejabberd"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Each kind of server in turn, one process for the whole run."""
    kinds = {"prosody": Prosody, "ejabberd": Ejabberd}
    running = started(kinds[request.param])
    yield running
    running.stop()


@pytest.fixture
def prosody_server() -> Iterator[Server]:
    """A Prosody that this test may kill."""
    running = started(Prosody)
    yield running
    running.stop()


@pytest.fixture
def cli(server: Server, tmp_path: Path, kind: str) -> Iterator[Cli]:
    """The program with fresh accounts alice and bob on the server; `kinds` marks tests that run in several ways."""
    made = Cli(server, tmp_path, kind)
    yield made
    made.close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    try:
        find_program("prosody", purpose="this test")
        find_program("openssl", purpose="this test")
    except MissingProgram as error:
        if REQUIRED:
            pytest.fail(f"{error.message}; {error.hint}", pytrace=False)
        pytest.skip("Prosody or openssl is not installed: the sandbox's cases did not run")
    root = tmp_path / "a home"
    root.mkdir()
    made = Home(root)
    yield made
    made.end()
