"""Templates of stanzas: text with places to fill in, ours and the user's own (files `NAME.xml` in a directory).

A template is XML as it is sent (RFC 6120) in which stand:

- `${to}`, `${to=juliet@example.org}`: a stop, to be filled in, without and with a default;
- `${id}`, `${uuid}`, `${now}` (XEP-0082), `${me}`, `${bare}`, `${domain}`: filled in automatically;
- `${0}`: where the cursor ends; `${$}`: a dollar sign, where `${` shall stand as it is.

A default may hold `$domain` and the like. Lines at the beginning with a `#` say what it is for. Any other `$`, and all
that stands in a comment, stays as it is. Expansion is sans-IO; `Templates` reads and writes the files.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from xmppctl.errors import MalformedInput, UsageError
from xmppctl.stanza.build import check_text, escape, escape_attribute, new_id

BUILT_IN: Final = "built in"
MAX_BYTES: Final = 64 * 1024
#: So many files of a directory are looked at.
MAX_FILES: Final = 1000

#: What is filled in without being asked for. The last three are the session's: without one they are stops.
AUTOMATIC: Final = ("id", "uuid", "now", "me", "bare", "domain")

# No brace and no line break in a default: an opening one that is never closed costs no look through all the rest.
_PLACE: Final = re.compile(r"\$\{(?:(\$|0)|([A-Za-z][A-Za-z0-9_-]{0,63})(?:=([^{}\n]*))?)\}")
_IN_DEFAULT: Final = re.compile(rf"\$({'|'.join(AUTOMATIC)})\b")
_NAMED: Final = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,63})=", re.ASCII)
_SAFE: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_XML_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")

_MARKUP: Final = re.compile(r"<!--|-->|<!\[CDATA\[|\]\]>|[<>'\"]")
#: Where in XML a place is -> what ends or begins there -> where it is then.
_MOVES: Final[Mapping[str, Mapping[str, str]]] = {
    "text": {"<": "tag", "<!--": "comment", "<![CDATA[": "cdata"},
    "tag": {">": "text", "-->": "text", "]]>": "text", "'": "'", '"': '"'},
    "'": {"'": "tag"},
    '"': {'"': "tag"},
    "comment": {"-->": "text"},
    "cdata": {"]]>": "text"},
}


class Stop(NamedTuple):
    """Where the text of a stop is in an expanded text, in characters; `name` is `0` for the last one."""

    start: int
    end: int
    name: str


class Expanded(NamedTuple):
    """A text to edit: `stops` that are not filled, in their order, and where the `cursor` begins."""

    text: str
    stops: tuple[Stop, ...]
    cursor: int


class _Place(NamedTuple):
    """A placeholder: its span, its name, its default, where in XML it is. `$` and `0` are names, too."""

    start: int
    end: int
    name: str
    default: str | None
    where: str


class Template(NamedTuple):
    """A stanza to fill in; `source` is `built in` or the path of the user's file."""

    name: str
    description: str
    text: str
    source: str

    @property
    def placeholders(self) -> list[str]:
        """The names of its stops, in order: what arguments fill."""
        found = (place.name for place in self._places() if place.name not in ("$", "0", *AUTOMATIC))
        return list(dict.fromkeys(found))

    def expand(self, arguments: Sequence[str] = (), values: Mapping[str, str] | None = None) -> Expanded:
        """Fill it in: `arguments` fill the stops in order, `NAME=VALUE` the one of that name.

        `values` are those of the session: `me`, `bare`, `domain`. Each is escaped for where it stands. Raises
        UsageError for an argument that fits nothing, MalformedInput for one that XML cannot hold.
        """
        known = _automatic() | dict(values or {})
        given = known | self._given(arguments)
        text, done, size = [], 0, 0
        stops: list[Stop] = []
        final: Stop | None = None
        for place in self._places():
            before = self.text[done : place.start]
            size += len(before)
            filled, is_stop = _fill(place, given, known)
            text += [before, filled]
            if place.name == "0":
                final = final or Stop(size, size, "0")
            elif is_stop:
                stops.append(Stop(size, size + len(filled), place.name))
            size += len(filled)
            done = place.end
        text.append(self.text[done:])
        whole = "".join(text)
        stops += [final] if final else []
        return Expanded(whole, tuple(stops), stops[0].start if stops else len(whole))

    def _places(self) -> Iterator[_Place]:
        where, done = "text", 0
        for found in _PLACE.finditer(self.text):
            where = _after(where, self.text[done : found.start()])
            done = found.end()
            name = found.group(1) or found.group(2)
            if where != "comment" or name == "$":
                yield _Place(found.start(), found.end(), name, found.group(3), where)

    def _given(self, arguments: Sequence[str]) -> dict[str, str]:
        stops = self.placeholders
        automatic = {place.name for place in self._places()} & {*AUTOMATIC}
        given: dict[str, str] = {}
        rest: list[str] = []
        for argument in arguments:
            named = _NAMED.match(argument)
            if not named:
                rest.append(argument)
                continue
            name = named.group(1)
            if name not in stops and name not in automatic:
                hint = f"if it is a value, name what it fills: {stops[0]}={argument}" if stops else ""
                raise UsageError(f"{self.name} has no {name}; {_told(stops)}", hint=hint)
            if name in given:
                raise UsageError(f"{name} is given twice")
            given[name] = argument[named.end() :]
        free = [name for name in stops if name not in given]
        if len(rest) > len(free):
            raise UsageError(f"{self.name}: too many arguments; {_told(stops)}", hint=_QUOTES)
        return given | dict(zip(free, rest, strict=False))


_QUOTES: Final = "put quotes around a value that has spaces"


def _told(stops: Sequence[str]) -> str:
    return f"it takes {' '.join(stops)}" if stops else "it takes no arguments"


def _automatic() -> dict[str, str]:
    from datetime import UTC, datetime
    from uuid import uuid4

    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"id": new_id(), "uuid": str(uuid4()), "now": now}


def _after(where: str, text: str) -> str:
    """Where in XML one is after `text`, which began at `where`."""
    for markup in _MARKUP.finditer(text):
        where = _MOVES[where].get(markup.group(), where)
    return where


def _fill(place: _Place, given: Mapping[str, str], known: Mapping[str, str]) -> tuple[str, bool]:
    """The text of a place, and whether it is a stop that waits to be filled."""
    if place.name in ("$", "0"):
        return ("$" if place.name == "$" else ""), False
    if place.name in given:
        return _escaped(given[place.name], place), False
    default = place.default or ""
    used: list[str] = _IN_DEFAULT.findall(default)
    if not all(name in known for name in used):
        return "", True
    return _IN_DEFAULT.sub(lambda found: _escaped(known[found.group(1)], place), default), True


def _escaped(value: str, place: _Place) -> str:
    try:
        if place.where == "text":
            return escape(value)
        if place.where == "cdata":
            return check_text(value).replace("]]>", "]]]]><![CDATA[>")
        if place.where != "tag":
            return escape_attribute(value)
        if not _XML_NAME.fullmatch(check_text(value)):
            raise MalformedInput(f"{value!r} cannot be the name of an element or attribute")
    except MalformedInput as error:
        raise MalformedInput(f"{place.name}: {error.message}", hint=error.hint) from None
    return value


class Templates:
    """All templates. Files are read when asked for, and again when they have changed.

    `directory` is the user's, and need not exist. A template there goes before ours of the same name. `problems`
    tells what was passed over there when it was last read.
    """

    def __init__(self, directory: Path | None) -> None:
        self.problems: list[str] = []
        self._directory = directory
        self._read: dict[Path, tuple[tuple[int, int], Template | str]] = {}

    def all(self) -> list[Template]:
        """Every template, by name."""
        found = {**_built_in(), **self._own()}
        return [found[name] for name in sorted(found)]

    def get(self, name: str) -> Template:
        """The template of a name. Raises UsageError, with names that are near."""
        found = {**_built_in(), **self._own()}
        if name in found:
            return found[name]
        from difflib import get_close_matches

        near = [each for each in sorted(found) if name and each.startswith(name)]
        near = near[:3] or get_close_matches(name, found, 3)
        hint = f"did you mean {' or '.join(near)}?" if near else ""
        raise UsageError(f"there is no template {name!r}", hint=hint)

    def save(self, name: str, text: str, *, description: str = "", replace: bool = False) -> Path:
        """Keep a stanza as a template that expands to it; give the file back.

        `#` lines at its beginning become the description. Raises UsageError for a name that is not safe or is taken
        and for a text that holds a secret, MalformedInput for what XML cannot hold, ConfigError for file trouble.
        """
        from xmppctl.config import paths

        path = self._path(name)
        content = _content(text, description)
        if os.path.lexists(path) and not replace:
            raise UsageError(f"there is a template {name} already: {path}")
        if not path.parent.is_dir():
            paths.private_directory(path.parent)
        paths.write_private(path, content.encode())
        self._read.pop(path, None)
        return path

    def _path(self, name: str) -> Path:
        if self._directory is None:
            raise UsageError("there is no directory for templates")
        if not _SAFE.fullmatch(name):
            raise UsageError(
                f"{name!r} cannot be the name of a template",
                hint="up to 64 of A-Z a-z 0-9 . _ -, not beginning with a dot",
            )
        return self._directory / f"{name}.xml"

    def _own(self) -> dict[str, Template]:
        self.problems = []
        found: dict[str, Template] = {}
        kept: dict[Path, tuple[tuple[int, int], Template | str]] = {}
        for path in self._files():
            kept[path] = self._known(path)
            result = kept[path][1]
            if isinstance(result, str):
                self.problems.append(f"{path}: {result}")
            else:
                found[result.name] = result
        self._read = kept
        return found

    def _files(self) -> list[Path]:
        if self._directory is None:
            return []
        try:
            files = sorted(
                path for path in self._directory.iterdir() if path.suffix == ".xml" and path.name[0] != "."
            )
        except FileNotFoundError:
            return []
        except OSError as error:
            self.problems.append(f"{self._directory}: {error.strerror or error}")
            return []
        if len(files) > MAX_FILES:
            self.problems.append(f"{self._directory}: only the first {MAX_FILES} files are read")
        return files[:MAX_FILES]

    def _known(self, path: Path) -> tuple[tuple[int, int], Template | str]:
        try:
            found = path.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            known = self._read.get(path)
            return known if known and known[0] == stamp else (stamp, _load(path))
        except (OSError, ValueError) as error:
            return (0, 0), getattr(error, "strerror", None) or str(error)


def _load(path: Path) -> Template | str:
    """The template in a user's file, or why there is none. Raises OSError."""
    name = path.name.removesuffix(".xml")
    if not _SAFE.fullmatch(name):
        return "its name cannot be the name of a template"
    # Whoever put a named pipe there shall not make us wait.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return "it is no file"
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        return f"it is larger than {MAX_BYTES} bytes"
    try:
        description, text = _parted(data.decode("utf-8-sig"))
        check_text(text)
    except UnicodeDecodeError:
        return "it is not UTF-8"
    except MalformedInput as error:
        return error.message
    return Template(name, description, text, str(path)) if text else "there is no stanza in it"


def _parted(content: str) -> tuple[str, str]:
    """The description and the text of a template's file."""
    lines = content.replace("\r\n", "\n").strip().split("\n")
    about = 0
    while about < len(lines) and lines[about].startswith("#"):
        about += 1
    description = " ".join(line.lstrip("#").strip() for line in lines[:about])
    return description.strip(), "\n".join(lines[about:]).strip()


def _content(text: str, description: str) -> str:
    """A template's file, for a stanza that shall come out as it is. Raises UsageError, MalformedInput."""
    from xmppctl.shell.scrub import scrub

    own, text = _parted(text)
    if not text:
        raise UsageError("there is no stanza to keep")
    about = " ".join((description or own).split())
    check_text(about)
    check_text(text)
    if scrub(text) != text or scrub(f"# {about}") != f"# {about}":
        raise UsageError(
            "it could hold a secret: it is not kept",
            hint="take the secret out, or write the file by hand, with ${password} in its place",
        )
    head = f"# {about}\n" if about else ""
    content = f"{head}{text.replace('${', '${$}{')}\n"
    if len(content.encode()) > MAX_BYTES:
        raise UsageError(f"it is larger than {MAX_BYTES} bytes: it is not kept")
    return content


@lru_cache(maxsize=1)
def _built_in() -> dict[str, Template]:
    from pkgutil import get_data

    data = get_data("xmppctl.shell", "templates.txt")
    if data is None:
        raise FileNotFoundError("xmppctl/shell/templates.txt is missing: xmppctl is not installed whole")
    found: dict[str, Template] = {}
    for section in f"\n{data.decode()}".split("\n== ")[1:]:
        head, _, text = section.partition("\n")
        name, _, description = head.partition(": ")
        found[name] = Template(name, description, text.strip(), BUILT_IN)
    return found
