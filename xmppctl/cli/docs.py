"""`python -m xmppctl.cli.docs`: writes man pages and completions anew; `--check` tells whether they are stale;
`--picture` records and draws the README's picture anew, which takes Prosody.

For developers, in the repository: what it writes follows from the command tree, the topics and the changelog, so it
is the same on every machine and every day.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from xmppctl import __version__

REPOSITORY: Final = Path(__file__).resolve().parents[2]

_RELEASE: Final = re.compile(r"^## \[(?P<version>[^]]+)\] - (?P<date>\d{4}-\d\d-\d\d)$", re.MULTILINE)
_PICTURE: Final = "man/watch.svg"
_USAGE: Final = "usage: python -m xmppctl.cli.docs [--check | --picture]\n"


def documents(changelog: str) -> dict[str, str]:
    """Path in the repository -> text, of everything that is generated.

    Raises ValueError where the changelog does not have this version, ImportError where a command has no module.
    """
    from xmppctl.cli.manual import Release, pages
    from xmppctl.cli.scripts import SCRIPTS

    release = Release(__version__, release_date(changelog))
    made = {f"man/{name}": text for name, text in pages(release).items()}
    names = {"bash": "xmppctl.bash", "zsh": "_xmppctl", "fish": "xmppctl.fish"}
    return made | {f"completions/{names[shell]}": script for shell, script in SCRIPTS.items()}


def release_date(changelog: str) -> str:
    """When this version was released, from the changelog's heading. Raises ValueError where it has none."""
    for found in _RELEASE.finditer(changelog):
        if found["version"] == __version__:
            return found["date"]
    raise ValueError(f"CHANGELOG.md has no heading ## [{__version__}] - DATE")


def stale(made: dict[str, str], where: Path) -> list[str]:
    """What is not as it would be written, and what would not be written at all: a line each."""
    told = []
    for name, text in made.items():
        file = where / name
        if not file.is_file():
            told.append(f"{name} is missing")
        elif file.read_text(encoding="utf-8") != text:
            told.append(f"{name} is stale")
    found = [*where.glob("man/*.[1-9]"), *(where / "completions").glob("*")]
    told += [
        f"{file.relative_to(where)} is of no command"
        for file in found
        if str(file.relative_to(where)) not in made
    ]
    return sorted(told)


def write(made: dict[str, str], where: Path) -> None:
    """Write everything, and remove pages of commands that are gone."""
    for file in where.glob("man/*.[1-9]"):
        if f"man/{file.name}" not in made:
            file.unlink()
    for name, text in made.items():
        file = where / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str], where: Path = REPOSITORY) -> int:
    """Write, with --check only look, with --picture draw; 1 where something is stale or cannot be made."""
    if arguments not in ([], ["--check"], ["--picture"]):
        sys.stderr.write(_USAGE)
        return 2
    if arguments == ["--picture"]:
        from xmppctl.cli.picture import draw

        (where / _PICTURE).write_text(draw(), encoding="utf-8")
        return 0
    try:
        made = documents((where / "CHANGELOG.md").read_text(encoding="utf-8"))
    except (ImportError, OSError, ValueError) as error:
        sys.stderr.write(f"docs: {error}\n")
        return 1
    if not arguments:
        write(made, where)
        return 0
    told = stale(made, where)
    for line in told:
        sys.stderr.write(f"docs: {line}; write it anew: ./dev docs\n")
    return int(bool(told))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
