"""What people in front of a camera are asked to do, so that they are known to be alive: told as it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.core.protocols import LivenessCheck
    from mien.doors.cli.output import Output
    from mien.jobs.watch import Watched

__all__ = ["Asking"]


class Asking:
    """Tells each step of a challenge once, by the name of the person.

    Args:
        out: where to.
        liveness: who asks; None for nobody.
        clock: how a moment is shown, given its time and its label.
        columns: of the lines.
    """

    def __init__(
        self,
        out: Output,
        liveness: LivenessCheck | None,
        clock: Callable[[float, datetime], str],
        columns: Sequence[str],
    ) -> None:
        self._out = out
        self._liveness = liveness
        self._clock = clock
        self._columns = columns
        self._said: dict[int, str] = {}  # by track

    def tell(self, watched: Watched, at: datetime) -> list[str]:
        """Tell what is asked of the faces of one look that was not said yet; the lines, for whoever shows them, too.

        Args:
            watched: the look.
            at: when it was, aware.
        """
        faces, lines = watched.faces, []
        if self._liveness is None or watched.picture is None or faces.track_ids is None:
            return []
        said: dict[int, str] = {}
        for track_id, match in zip(faces.track_ids.tolist(), faces.matches or (), strict=True):
            words = said[track_id] = self._liveness.instruction(track_id)
            if words and words != self._said.get(track_id):
                name = match.candidates[0].name if match.candidates else ""
                lines.append(self._line(name, track_id, words, watched, at))
        self._said |= said
        return lines

    def _line(self, name: str, track_id: int, words: str, watched: Watched, at: datetime) -> str:
        time = (watched.picture.time if watched.picture is not None else None) or 0.0
        row = {
            "at": at.astimezone().isoformat(timespec="milliseconds"),
            "time": time,
            "event": "asked",
            "name": name,
            "track": track_id,
            "why": words,
        }
        line = f"{self._clock(time, at)}  {name}: {words}"
        self._out.line(line, row, columns=self._columns, data=row)
        return line
