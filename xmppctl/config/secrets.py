"""Passwords: `Secret`, which nothing prints by accident, and the places that they come from.

A source is asked when SASL needs the password, not before (standard input excepted: its first line must be taken
before somebody takes it for something else). A source that fails is an error; it never falls through to another.
Plain text is kept out of local variables of every function that raises: a traceback may show those.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from xmppctl.errors import SecretError

#: Longest password that is taken, in bytes.
MAX_BYTES: Final = 4096
#: Seconds that a source may take where the caller sets no limit.
PATIENCE: Final = 60.0
#: The service under which the keyring files our passwords; the user name there is the bare JID.
KEYRING_SERVICE: Final = "xmppctl"

#: What the kernel's names for standard input look like.
_STDIN_NAMES: Final = frozenset({"-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})

WAYS: Final = (
    "give one with --password-command CMD, --password-file PATH, the variable XMPPCTL_PASSWORD_FILE or "
    "XMPPCTL_PASSWORD, or password_command in the account"
)


class Secret:
    """A password. Only `reveal` gives it; everything else shows `***`. It does not pickle."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The plain text. Do not keep it in a variable of a function that can raise."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret does not pickle")


class PasswordSource:
    """Where a password comes from. `origin` says it for people; `available` is False where none is needed.

    `kind` is none, value, file, command, keyring or prompt.
    """

    kind = "none"
    available = True
    #: Whether a person would have to type it.
    asks = False

    def __init__(self, origin: str) -> None:
        self.origin = origin

    def get(self, seconds: float | None = None) -> Secret:
        """The password, in `seconds` at most (PATIENCE where None). Raises SecretError."""
        raise NotImplementedError

    def describe(self) -> str:
        """What a person is told of it, without anything of a secret."""
        return self.kind

    def __repr__(self) -> str:
        return f"<PasswordSource {self.kind}: {self.origin}>"


class NoPassword(PasswordSource):
    """For logins without one: SASL ANONYMOUS, EXTERNAL."""

    available = False

    def describe(self) -> str:
        return self.origin

    def get(self, seconds: float | None = None) -> Secret:
        del seconds
        raise SecretError(f"no password is used here: {self.origin}")


class GivenPassword(PasswordSource):
    """A password that is there already: from the environment, standard input or the account's own `password`."""

    kind = "value"

    def __init__(self, secret: Secret, origin: str) -> None:
        super().__init__(origin)
        self._secret = secret

    def get(self, seconds: float | None = None) -> Secret:
        del seconds
        return check(self._secret, f"password ({self.origin})")


class FilePassword(PasswordSource):
    """The first line of a file that others cannot read, or of a pipe (process substitution)."""

    kind = "file"

    def __init__(self, path: Path, origin: str) -> None:
        super().__init__(origin)
        self.path = path
        self._from_pipe: Secret | None = None

    def describe(self) -> str:
        return f"file {self.path}"

    def get(self, seconds: float | None = None) -> Secret:
        if self._from_pipe is not None:
            return self._from_pipe
        what = f"password file {self.path}"
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError as error:
            raise SecretError(f"cannot read the {what}: {error.strerror or error}", hint=WAYS) from None
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISFIFO(found.st_mode):
                refuse_readable(self.path, found)
            text = read_line(descriptor, PATIENCE if seconds is None else seconds, what)
        finally:
            os.close(descriptor)
        secret = check(text, what)
        if stat.S_ISFIFO(found.st_mode):
            self._from_pipe = secret  # it can be read only once
        return secret


class CommandPassword(PasswordSource):
    """The first line that a program prints."""

    kind = "command"

    def __init__(self, command: str, origin: str, *, interactive: bool) -> None:
        super().__init__(origin)
        self._command = command
        self._interactive = interactive

    def describe(self) -> str:
        # Only the program: an argument may be as good as the password.
        return f"command {self._command.split()[0]} ..." if self._command.split() else "command"

    def get(self, seconds: float | None = None) -> Secret:
        from xmppctl.config.commands import first_line_of

        limit = PATIENCE if seconds is None else seconds
        output = first_line_of(self._command, limit, interactive=self._interactive)
        return check(output, f"output of the password command ({self.origin})")


class KeyringPassword(PasswordSource):
    """The desktop's keyring, through the optional package `keyring`."""

    kind = "keyring"

    def __init__(self, user: str, origin: str) -> None:
        super().__init__(origin)
        self._user = user

    def get(self, seconds: float | None = None) -> Secret:
        from xmppctl.config.keyrings import fetch

        return check(
            fetch(KEYRING_SERVICE, self._user, PATIENCE if seconds is None else seconds), "keyring's password"
        )


class PromptPassword(PasswordSource):
    """The person at the terminal, asked once. `ask` takes the prompt and the seconds to wait."""

    kind = "prompt"

    def __init__(
        self,
        user: str,
        *,
        ask: Callable[[str, float | None], Secret] | None = None,
        no_input: bool = False,
        why: str = "none is configured",
    ) -> None:
        super().__init__("prompt")
        self._user = user
        self._ask = ask
        self._no_input = no_input
        self._why = why
        self._answer: Secret | None = None

    @property
    def asks(self) -> bool:  # type: ignore[override]
        """Whether nobody has typed it yet."""
        return self._answer is None

    def get(self, seconds: float | None = None) -> Secret:
        if self._answer is None:
            ask = self._asker()
            self._answer = check(ask(f"Password for {self._user}: ", seconds), "password")
        return self._answer

    def _asker(self) -> Callable[[str, float | None], Secret]:
        from xmppctl.config import prompt

        if self._no_input:
            cannot = "--no-input forbids to ask"
        elif self._ask is None and not prompt.possible():
            cannot = "there is no terminal to ask on"
        else:
            return self._ask or prompt.ask
        raise SecretError(f"no password for {self._user}: {self._why} and {cannot}", hint=WAYS)


def stands_for_stdin(text: str) -> bool:
    """Whether a path given for a password file is standard input."""
    return text in _STDIN_NAMES


def from_stdin(origin: str, *, user: str, no_input: bool) -> PasswordSource:
    """The first line of standard input, read now and not a byte more: the rest is the command's. Raises SecretError."""
    if os.isatty(0):
        return PromptPassword(user, no_input=no_input)
    return GivenPassword(read_line(0, PATIENCE, "standard input"), origin)


def refuse_readable(path: Path, found: os.stat_result | None = None) -> None:
    """Raise SecretError where a file with a secret is no regular file, or others can read it.

    Root's files are root's business as far as groups go (a service's credentials), and those under /run/secrets
    altogether: container engines mount secrets there 0444 and no one else lives in the container.
    """
    try:
        found = found or path.stat()
    except OSError as error:
        raise SecretError(f"cannot read {path}: {error.strerror or error}") from None
    if not stat.S_ISREG(found.st_mode):
        raise SecretError(f"{path} is neither a regular file nor a pipe")
    user = os.geteuid()
    if found.st_uid not in (user, 0) and user != 0:
        raise SecretError(
            f"{path} holds a secret and belongs to another user (uid {found.st_uid})",
            hint="keep it in a file of your own",
        )
    forbidden = 0o077
    if found.st_uid == 0 and user != 0:
        forbidden = 0o007
    if found.st_uid == 0 and path.resolve().is_relative_to("/run/secrets"):
        forbidden = 0
    if found.st_mode & forbidden:
        raise SecretError(
            f"{path} holds a secret and others can read it (mode {stat.S_IMODE(found.st_mode):04o})",
            hint=f"chmod 600 {path}",
        )


def read_line(descriptor: int, seconds: float, what: str) -> Secret:
    """Bytes of a descriptor up to a line's end (not taking a byte behind it), the end or MAX_BYTES + 1.

    `what` is named in the errors. Raises SecretError, also after `seconds` without an end.
    """
    from select import poll as make_poll
    from time import monotonic

    end = monotonic() + seconds
    poll = make_poll()
    poll.register(descriptor, 1)  # POLLIN
    taken = Secret("")
    while "\n" not in taken.reveal() and len(taken.reveal()) <= MAX_BYTES:
        if not poll.poll(max(0.0, end - monotonic()) * 1000):
            raise SecretError(f"no password came from the {what} in {seconds:g} s")
        try:
            byte = Secret(os.read(descriptor, 1).decode("latin-1"))
        except OSError as error:
            raise SecretError(f"cannot read the {what}: {error.strerror or error}") from None
        if not byte.reveal():
            break
        taken = Secret(taken.reveal() + byte.reveal())
    return Secret(taken.reveal().encode("latin-1").decode("utf-8", "surrogateescape"))


def check(secret: Secret, what: str) -> Secret:
    """The first line of a secret, without its end. Raises SecretError where it is no password; `what` is named."""
    problem = _problem(secret)
    if problem:
        raise SecretError(f"the {what} {problem}", hint="the first line must be the password, in UTF-8")
    return Secret(secret.reveal().split("\n", 1)[0].removesuffix("\r"))


def _problem(secret: Secret) -> str:
    line = secret.reveal().split("\n", 1)[0].removesuffix("\r")
    if not line:
        return "is empty"
    if "\0" in line:
        return "holds a NUL character"
    try:
        size = len(line.encode())
    except UnicodeEncodeError:
        return "is not UTF-8"
    return f"is longer than {MAX_BYTES} bytes" if size > MAX_BYTES else ""
