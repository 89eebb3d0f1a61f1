"""What happens to a watched stream besides what crosses it: it is lost, it is back, frames were dropped. Sans-IO."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, get_args

Name = Literal["online", "offline", "lost", "torn"]
#: By themselves, for whoever reads one that was written down: others are not known.
NAMES: Final[dict[str, Name]] = {name: name for name in get_args(Name)}


class Event(NamedTuple):
    """One thing that happened at `time` (seconds since the epoch).

    `offline`: the connection is gone, `text` says why. `online`: it is (back) there; `text` says as whom, and whether
    it was resumed. `lost`: so many `frames` came faster than they were read, and are missing here. `torn`: a recording
    or a log ends in the middle of something, `text` says of what. `text` may hold text from the network.
    """

    name: Name
    time: float
    text: str = ""
    frames: int = 0
