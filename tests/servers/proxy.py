"""A TCP proxy with a bad network in it: cuts, cuts in the middle of a stanza, silence, slowness, refusal.

`Proxy(port)` forwards 127.0.0.1:`proxy.port` to `port`. Everything can be called at any time from any thread.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from time import sleep
from types import TracebackType
from typing import Literal

#: From the client to the server, or back.
Direction = Literal["up", "down"]

_CHUNK = 65536
_JOIN_SECONDS = 5.0


class _Pipe:
    """One client's connection and ours to the server."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy = proxy
        self.client = client
        self.server = server
        self.frozen: set[Direction] = set()
        self.threads = [
            threading.Thread(target=self._pump, args=("up", client, server), daemon=True),
            threading.Thread(target=self._pump, args=("down", server, client), daemon=True),
        ]
        for thread in self.threads:
            thread.start()

    def _pump(self, direction: Direction, source: socket.socket, sink: socket.socket) -> None:
        while True:
            try:
                data = source.recv(self.proxy.chunk(direction))
                if not data:
                    if direction not in self.frozen:
                        sink.shutdown(socket.SHUT_WR)
                    return
                if direction in self.frozen:
                    continue
                allowed, last = self.proxy.allow(direction, len(data))
                sink.sendall(data[:allowed])
                if last:
                    self.proxy.cut()
                    return
                self.proxy.wait(direction, len(data))
            except OSError:
                return

    def cut(self, reset: bool) -> None:
        """End both connections."""
        for sock in (self.client, self.server):
            with suppress(OSError):
                if reset:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.shutdown(socket.SHUT_RDWR)
            with suppress(OSError):
                sock.close()


class Proxy:
    """A context manager; at its end everything is cut. `passed` counts the bytes of each direction."""

    def __init__(self, target: int, host: str = "127.0.0.1") -> None:
        self.target = target
        self.host = host
        self.connections = 0
        self.passed: dict[Direction, int] = {"up": 0, "down": 0}
        self._lock = threading.Lock()
        self._pipes: list[_Pipe] = []
        self._frozen: set[Direction] = set()
        self._budget: dict[Direction, int] = {}
        self._rate: dict[Direction, float] = {}
        self._listener: socket.socket | None = None
        self._held: socket.socket | None = None
        self._accepting: threading.Thread | None = None
        self.port = 0
        self.allow_connections()

    # -- what the network does --

    def cut(self, *, reset: bool = False) -> None:
        """Break every connection now; with `reset` by a RST, which loses what is on its way."""
        with self._lock:
            pipes, self._pipes = self._pipes, []
            self._budget.clear()
        for pipe in pipes:
            pipe.cut(reset)

    def cut_after(self, size: int, direction: Direction = "up") -> None:
        """Break every connection when `size` more bytes have passed in `direction`: no byte more arrives."""
        with self._lock:
            self._budget[direction] = size

    def freeze(self, *directions: Direction) -> None:
        """Lose everything in these directions (default: both) from now on, without telling anybody."""
        with self._lock:
            self._frozen |= set(directions or ("up", "down"))
            for pipe in self._pipes:
                pipe.frozen |= self._frozen

    def thaw(self) -> None:
        """New connections work again. Those that have lost bytes stay dead."""
        with self._lock:
            self._frozen.clear()

    def throttle(self, bytes_per_second: float | None, direction: Direction = "up") -> None:
        """Let no more than this pass; None: no limit."""
        with self._lock:
            if bytes_per_second is None:
                self._rate.pop(direction, None)
            else:
                self._rate[direction] = bytes_per_second

    def refuse(self) -> None:
        """Refuse new connections. The port stays ours."""
        self._unlisten()
        self._held = self._bound()

    def _unlisten(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        if self._accepting is not None:
            self._accepting.join(_JOIN_SECONDS)
        held, self._held = self._held, None
        if held is not None:
            held.close()

    def _bound(self) -> socket.socket:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((self.host, self.port))
        return sock

    def allow_connections(self) -> None:
        """Take new connections (again), on the same port."""
        if self._listener is None:
            self._listener, self._held = self._held or self._bound(), None
            self._listener.listen(50)
            self.port = self._listener.getsockname()[1]
            self._accepting = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
            self._accepting.start()

    # -- what the pumps ask --

    def chunk(self, direction: Direction) -> int:
        """How much to read at once."""
        rate = self._rate.get(direction)
        return _CHUNK if rate is None else max(1, min(_CHUNK, int(rate / 20)))

    def allow(self, direction: Direction, size: int) -> tuple[int, bool]:
        """How many of `size` bytes may pass, and whether they are the last."""
        with self._lock:
            left = self._budget.get(direction)
            allowed = size if left is None else min(size, left)
            if left is not None:
                self._budget[direction] = left - allowed
            self.passed[direction] += allowed
            return allowed, left is not None and left <= size

    def wait(self, direction: Direction, size: int) -> None:
        """Be slow, where that was asked for."""
        rate = self._rate.get(direction)
        if rate is not None:
            sleep(size / rate)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection((self.host, self.target), timeout=_JOIN_SECONDS)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                pipe = _Pipe(self, client, server)
                pipe.frozen |= self._frozen
                self._pipes.append(pipe)

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unlisten()
        with self._lock:
            pipes = list(self._pipes)
        self.cut()
        for pipe in pipes:
            for thread in pipe.threads:
                if thread is not threading.current_thread():
                    thread.join(_JOIN_SECONDS)
