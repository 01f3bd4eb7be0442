"""How often a member may begin to rotate its anchor: every step is an entry that everybody keeps for ever."""

import contextlib
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from federation.files import write_private
from federation.model.errors import Refused
from federation.model.names import MemberName

log = logging.getLogger("registrar")
BEGUN_MAX, WINDOW = 3, timedelta(hours=3)
"""One an hour in the long run; a rotation that was given up may be begun again at once."""


class RotationPace:
    """The last rotations that were begun by each member, in Unix seconds; kept in a file over restarts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begun: dict[MemberName, list[float]] = {}
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            self._begun = msgspec.json.decode(path.read_bytes(), type=dict[MemberName, list[float]])

    def check(self, name: MemberName, now: datetime) -> None:
        """Refused (E102) when this member began too many of late."""
        late = self._of_late(name, now)
        if len(late) >= BEGUN_MAX:
            first = datetime.fromtimestamp(late[0], UTC)
            raise Refused(
                f'member "{name}" began {len(late)} rotations of its anchor since {first:%Y-%m-%dT%H:%MZ}, limit '
                f"{BEGUN_MAX} in {WINDOW.seconds // 3600} h; the next is granted after "
                f"{first + WINDOW:%Y-%m-%dT%H:%MZ}",
                "E102",
            )

    def note(self, name: MemberName, now: datetime) -> None:
        """It began one now. What the disk does not take is known until the next start."""
        self._begun[name] = [*self._of_late(name, now), now.timestamp()]
        try:
            write_private(self._path, msgspec.json.encode(self._begun))
        except OSError as error:
            log.warning("when rotations began is not on disk", extra={"reason": error.strerror})

    def _of_late(self, name: MemberName, now: datetime) -> list[float]:
        return [at for at in self._begun.get(name, ()) if 0 <= now.timestamp() - at < WINDOW.total_seconds()]
