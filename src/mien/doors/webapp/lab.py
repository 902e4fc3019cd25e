"""The page Lab: why a face was found or not, stage by stage; detectors and embedders side by side; reports."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import streamlit as st

from mien.core.errors import ImageError, MienError
from mien.core.faces import Picture
from mien.core.reasons import Trace
from mien.doors.webapp.faces_view import PICTURES, read
from mien.doors.webapp.state import gallery, house, options
from mien.doors.webapp.words import say_reason, t
from mien.wiring.bootstrap import House
from mien.wiring.settings import load_settings

__all__ = ["page"]

_TOLD = 12
"""Near misses that are told in words."""


def page() -> None:
    """Everything on the page."""
    st.title(t("lab.title"))
    why, detectors, embedders, reports = st.tabs(
        [t("lab.why"), t("lab.detectors"), t("lab.embedders"), t("lab.reports")]
    )
    with why:
        _why()
    with detectors:
        _detectors()
    with embedders:
        _embedders()
    with reports:
        _reports()


def _dropped(key: str) -> Picture | None:
    file = st.file_uploader(t("lab.drop"), type=list(PICTURES), key=key)
    if file is None:
        return None
    try:
        return read(file.getvalue(), file.name)
    except ImageError as error:
        st.error(str(error), icon=":material/error:")
        return None


@st.cache_resource(show_spinner=False, max_entries=12)
def _variant(given: tuple[tuple[str, Any], ...]) -> House:
    """A house with other settings; its gallery is not opened."""
    return House(load_settings(**dict(given)))


def _with(**changes: Any) -> House:
    return _variant(tuple(sorted((dict(options().given) | changes).items())))


# why not


def _why() -> None:
    """Sliders for the thresholds, the boxes of every stage, and the reasons of what nearly came through."""
    from mien.media.drawing import draw_trace

    s = house().settings
    left, right = st.columns(2)
    given = {
        "min_face": float(left.slider(t("lab.min_face"), 8, 200, int(s.min_face))),
        "pyramid_factor": right.slider(t("lab.factor"), 0.5, 0.9, s.pyramid_factor, 0.01),
        "pnet_threshold": left.slider(t("lab.pnet"), 0.0, 1.0, s.pnet_threshold, 0.01),
        "rnet_threshold": right.slider(t("lab.rnet"), 0.0, 1.0, s.rnet_threshold, 0.01),
        "onet_threshold": left.slider(t("lab.onet"), 0.0, 1.0, s.onet_threshold, 0.01),
    }
    picture = _dropped("lab-why")
    if picture is None:
        st.info(t("lab.why_empty"))
        return
    explainer = _with(detector="mtcnn", **given).explainer
    if explainer is None:
        return
    with st.spinner(t("photos.looking")):
        trace = explainer.explain(picture.pixels)
    stages = ("pnet", "rnet", "onet", "nms", "face")
    shown = st.pills(
        t("lab.stages"),
        stages,
        selection_mode="multi",
        default=("rnet", "onet", "face"),
        format_func=lambda s: t(f"stages.{s}"),
    )
    st.image(draw_trace(picture.pixels, _only(trace, set(shown))), caption=t("lab.drawn"), width="stretch")
    st.write(t("lab.counts") + ": " + ", ".join(f"{name} {count}" for name, count in trace.counts.items()))
    _told(trace)


def _only(trace: Trace, stages: set[str]) -> Trace:
    """The trace with the windows that ended at some stages."""

    def stage(absorbed: bool, name: str) -> str:
        return "nms" if absorbed else name

    kept = tuple(c for c in trace.candidates if stage(c.absorbed_by is not None, c.stage) in stages)
    return Trace(kept, trace.scales, trace.smallest_face, trace.largest_face, trace.counts)


def _told(trace: Trace) -> None:
    """What came furthest of the windows that are no face, and what it missed."""
    order = {"onet": 0, "rnet": 1}
    missed = [c for c in trace.candidates if c.stage in order and c.reason is not None and c.absorbed_by is None]
    missed.sort(key=lambda c: (order[c.stage], -(c.reason.measured or 0.0) if c.reason is not None else 0.0))
    rows = [
        {
            t("lab.where"): f"{c.box[0]:.0f}, {c.box[1]:.0f}, {c.box[2] - c.box[0]:.0f} px",
            t("lab.stage"): t(f"stages.{c.stage}"),
            t("lab.because"): "" if c.reason is None else say_reason(c.reason),
        }
        for c in missed[:_TOLD]
    ]
    if rows:
        st.dataframe(rows, width="stretch", hide_index=True)


# side by side


def _detectors() -> None:
    """One picture searched by several detectors: boxes, counts, time."""
    from mien.media.drawing import drawn_jpeg

    names = ["mtcnn", "haar", *(n for n in house().catalog.names("detector") if n not in {"mtcnn", "haar"})]
    chosen = st.multiselect(t("lab.which_detectors"), names, default=names[:2], placeholder=t("people.choose"))
    picture = _dropped("lab-detectors")
    if picture is None or not chosen:
        return
    for name, column in zip(chosen, st.columns(len(chosen)), strict=True):
        with column:
            try:
                detector = _with(detector=name).detector
                detector.detect(picture.pixels[:64, :64])  # loads what it needs, so that the time is the search's
                began = time.perf_counter()
                faces = detector.at_scale(picture.scale).detect(picture.pixels).scaled(1 / picture.scale)
                took = time.perf_counter() - began
            except MienError as error:
                st.error(f"{name}: {error}")
                continue
            caption = t("lab.found", name=name, count=len(faces), milliseconds=f"{1000 * took:.0f}")
            st.image(drawn_jpeg(picture, faces), caption=caption, width="stretch")


def _embedders() -> None:
    """Two pictures compared by several embedders: similarity, threshold, answer."""
    names = [n for n in house().catalog.names("embedder") if n]
    chosen = st.multiselect(t("lab.which_embedders"), names, default=names[:2], placeholder=t("people.choose"))
    left, right = st.columns(2)
    with left:
        first = _dropped("lab-first")
    with right:
        second = _dropped("lab-second")
    if first is None or second is None or not chosen:
        return
    left.image(first.pixels, width="stretch")
    right.image(second.pixels, width="stretch")
    rows = []
    for name in chosen:
        try:
            result = _compared(name, first, second)
        except MienError as error:
            st.error(f"{name}: {error}")
            continue
        rows.append({t("lab.embedder"): name} | result)
    st.dataframe(rows, width="stretch", hide_index=True)


def _compared(name: str, first: Picture, second: Picture) -> dict[str, object]:
    from mien.recognition.recognizer import Recognizer

    other = _with(embedder=name)
    found = Recognizer(other.detector, other.embedder, other.identifier, gallery()).verify(first, second)
    answer = "unusable" if found.same is None else "same" if found.same else "different"
    similarity = None if found.similarity is None else round(found.similarity, 3)
    return {
        t("photos.similarity"): similarity,
        t("lab.threshold"): round(found.threshold, 3),
        t("lab.answer"): t(f"answers.{answer}"),
    }


# reports


def _reports() -> None:
    """Reports of evaluations and training runs that lie in the data folder, newest first."""
    folder = house().settings.data_dir
    pages = [p for p in folder.rglob("*.md") if p.is_file()] if folder.is_dir() else []
    pages.sort(key=lambda p: -p.stat().st_mtime)
    if not pages:
        st.info(t("lab.no_reports", folder=folder))
        return
    names = {str(p.relative_to(folder)): p for p in pages}
    chosen = st.selectbox(t("lab.report"), list(names))
    _report(names[chosen])


def _report(path: Path) -> None:
    text = path.read_text(encoding="utf-8", errors="replace")
    st.markdown(text)
    for picture in sorted(path.parent.glob("*.png")):
        if picture.name in text:
            st.image(str(picture), caption=picture.stem, width="stretch")
