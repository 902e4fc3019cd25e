"""What is said of one face: ``Quality`` by the gate, ``Attribute`` by a classifier, ``Match`` by an identifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from mien.core.reasons import Reason

__all__ = ["Attribute", "Contender", "Decision", "Match", "Quality", "rounded"]

Decision = Literal["match", "ambiguous", "unknown", "no_usable_face", "spoof"]


@dataclass(frozen=True, slots=True)
class Quality:
    """What the gate measured on one face, and what it held against it.

    Args:
        size: shorter side of the box, pixels of the original.
        sharpness: variance of the Laplacian of the aligned grey face, scaled to 112 × 112.
        brightness: mean grey level of the face, 0 to 1.
        contrast: standard deviation of the grey level, 0 to 1.
        yaw: how far the head is turned, degrees, 0 = frontal, positive = towards the image's right.
        roll: how far the head is tilted in the image plane, degrees, positive = clockwise.
        reasons: limits that were missed; empty when the face is good enough.
    """

    size: float
    sharpness: float
    brightness: float
    contrast: float
    yaw: float
    roll: float
    reasons: tuple[Reason, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether the face passed every limit."""
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Attribute:
    """What a classifier says of a face, e.g. ``me``, ``with glasses``.

    Args:
        classifier: its name.
        label: the class. In a stream it stays until another is clearly more probable, so it need not be the likeliest.
        probabilities: of every class, in the classifier's order, 0 to 1.
    """

    classifier: str
    label: str
    probabilities: dict[str, float]

    @property
    def probability(self) -> float:
        """Of the label."""
        return self.probabilities[self.label]

    def to_dict(self) -> dict[str, Any]:
        """The answer for JSON."""
        shares = {label: rounded(value) for label, value in self.probabilities.items()}
        return {"classifier": self.classifier, "class": self.label, "probabilities": shares}


@dataclass(frozen=True, slots=True)
class Contender:
    """One person a face was compared with.

    Args:
        person_id: the id that never changes.
        name: the label at the time of the comparison.
        similarity: best cosine over the person's templates.
        mean: trimmed mean of the cosines over the person's templates.
        templates: how many templates were compared.
    """

    person_id: str
    name: str
    similarity: float
    mean: float
    templates: int


@dataclass(frozen=True, slots=True)
class Match:
    """Who a face is, or that it is nobody known; always with the best candidates.

    Args:
        decision: ``match``, ``ambiguous``, ``unknown``, ``no_usable_face`` or ``spoof``.
        candidates: the nearest people, nearest first, a matched one before all; empty with an empty gallery.
        threshold: the similarity that had to be reached.
        margin: how far the best lies above the runner-up; None with fewer than two people to compare with.
        reasons: why it is no match, or who was nearer but is another face of the picture.
    """

    decision: Decision
    candidates: tuple[Contender, ...] = ()
    threshold: float = 1.0
    margin: float | None = None
    reasons: tuple[Reason, ...] = ()

    @property
    def person_id(self) -> str | None:
        """Id of the person for a match, else None."""
        return self.candidates[0].person_id if self.decision == "match" else None

    @property
    def name(self) -> str:
        """The person's name for a match, else the decision itself (``"unknown"`` …)."""
        return self.candidates[0].name if self.decision == "match" else self.decision

    @property
    def similarity(self) -> float | None:
        """Cosine of the best candidate, whatever the decision; None without candidates."""
        return self.candidates[0].similarity if self.candidates else None

    def to_dict(self) -> dict[str, Any]:
        """The match for JSON."""
        return {
            "decision": self.decision,
            "name": self.name if self.decision == "match" else None,
            "person_id": self.person_id,
            "similarity": rounded(self.similarity),
            "margin": rounded(self.margin),
            "threshold": rounded(self.threshold),
            "candidates": [
                {
                    "person_id": c.person_id,
                    "name": c.name,
                    "similarity": rounded(c.similarity),
                    "mean": rounded(c.mean),
                    "templates": c.templates,
                }
                for c in self.candidates
            ],
            "reasons": [r.to_dict() for r in self.reasons],
        }


def rounded(value: float | None, digits: int = 4) -> float | None:
    """The number with so many digits, for JSON; None stays None."""
    return None if value is None else round(float(value), digits)
