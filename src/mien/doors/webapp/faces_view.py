"""Pictures with faces on a page: the annotated picture, each face as a tile, a person's name as a control."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from mien.core.answers import Match
from mien.core.faces import Faces, Picture
from mien.doors.webapp.state import gallery, house
from mien.doors.webapp.words import say_reason, t

if TYPE_CHECKING:
    from mien.recognition.enrolment import Enrolment

__all__ = ["PICTURES", "VIDEOS", "choose_name", "cut", "read", "said", "tell_enrolments"]

PICTURES = ("jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "heic", "heif", "gif", "avif")
VIDEOS = ("mp4", "mov", "mkv", "avi", "webm", "m4v")


def read(data: bytes, name: str) -> Picture:
    """An uploaded picture, decoded as the settings want it.

    Raises:
        ImageError: it cannot be read; says why.
    """
    from mien.media.images import decode_image

    return decode_image(data, source=name, options=house().read_options(chip=160))


def cut(picture: Picture, faces: Faces, row: int, *, margin: float = 0.3) -> NDArray[np.uint8]:
    """One face with a margin, ``(h, w, 3)`` uint8 RGB; ``faces`` in pixels of the original."""
    box = faces.scaled(picture.scale).boxes[row]
    more = margin * float(max(box[2] - box[0], box[3] - box[1]))
    height, width = picture.pixels.shape[:2]
    x1, y1 = (int(max(0, box[0] - more)), int(max(0, box[1] - more)))
    x2, y2 = (int(min(width, box[2] + more)), int(min(height, box[3] + more)))
    return picture.pixels[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]


def said(match: Match) -> str:
    """The decision on a face, for people."""
    near = [f"{c.name} {c.similarity:.2f}" for c in match.candidates[:2]]
    if match.decision == "match":
        return f"**{match.name}** {match.similarity:.2f}"
    if match.decision == "ambiguous":
        return t("photos.ambiguous", names=f" {t('photos.or')} ".join(near))
    if match.decision == "unknown":
        return t("photos.unknown_near", name=near[0]) if near else t("photos.unknown")
    why = "; ".join(say_reason(r) for r in match.reasons)
    return t("photos.spoof") if match.decision == "spoof" else f"{t('photos.unusable')} {why}".strip()


def choose_name(label: str, key: str, names: Sequence[str] | None = None) -> str:
    """A control for the name of somebody known, or of somebody new."""
    known = [p.name for p in gallery().people()] if names is None else list(names)
    chosen = st.selectbox(
        label, known, index=None, accept_new_options=True, key=key, placeholder=t("people.choose_or_type")
    )
    return (chosen or "").strip()


def tell_enrolments(outcomes: Sequence[Enrolment]) -> None:
    """What became of each photograph, and why one was refused."""
    for outcome in outcomes:
        if outcome.accepted:
            more = f" {t('people.but', warning=outcome.warning)}" if outcome.warning else ""
            st.success(t("people.accepted", source=outcome.source) + more, icon=":material/check:")
        else:
            why = "; ".join(say_reason(r) for r in outcome.reasons)
            st.warning(t("people.refused", source=outcome.source, why=why), icon=":material/block:")
