"""What classifiers say of the faces of a stream, as events: told when it is known, and again when it changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from mien.core.answers import Attribute, Match
from mien.core.faces import Faces
from mien.jobs.presence import Event

__all__ = ["AttributeTeller"]


class AttributeTeller:
    """Makes events of ``Faces.attributes``. Belongs to one stream; the vote over the track has done the smoothing.

    Attributes:
        said: what was last said of each track by each classifier.
    """

    def __init__(self) -> None:
        self.said: dict[tuple[str, int], str] = {}

    def see(self, faces: Faces, time: float, at: datetime) -> Iterator[Event]:
        """The events of the next frame.

        Args:
            faces: with track_ids, matches and attributes, as ``Follower.follow`` gives them.
            time: of the frame, seconds of the source's clock.
            at: the same by the wall clock, aware.
        """
        ids = [] if faces.track_ids is None else faces.track_ids.tolist()
        for track_id, match, attributes in zip(ids, faces.matches or (), faces.attributes or (), strict=False):
            for attribute in attributes:
                key = attribute.classifier, track_id
                was = self.said.get(key, "")
                if attribute.label != was:
                    self.said[key] = attribute.label
                    yield _event(attribute, (time, at), (track_id, match), was)

    def counts(self) -> dict[str, dict[str, int]]:
        """How many tracks were last said to be of which class, by classifier."""
        counted: dict[str, Counter[str]] = {}
        for (classifier, _), label in self.said.items():
            counted.setdefault(classifier, Counter())[label] += 1
        return {classifier: dict(sorted(labels.items())) for classifier, labels in counted.items()}


def _event(attribute: Attribute, when: tuple[float, datetime], whose: tuple[int, Match], was: str) -> Event:
    track_id, match = whose
    named = match.decision == "match"
    name, person_id = (match.name, match.person_id) if named else ("", None)
    return Event("classified", *when, name, person_id, track_id, match, was, attribute=attribute)
