"""The page Photos: who is in dropped pictures and videos; an unknown face is named with one click."""

from __future__ import annotations

import hashlib
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from mien.core.errors import ImageError
from mien.core.faces import Faces, Picture
from mien.doors.webapp import login, verdicts
from mien.doors.webapp.faces_view import PICTURES, VIDEOS, choose_name, cut, read, said, tell_enrolments
from mien.doors.webapp.state import gallery, house, recognizer
from mien.doors.webapp.words import t

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

__all__ = ["page"]

_ACROSS = 4
"""Tiles of faces side by side."""


def page() -> None:
    """Everything on the page."""
    st.title(t("photos.title"))
    files = st.file_uploader(t("photos.drop"), type=[*PICTURES, *VIDEOS], accept_multiple_files=True)
    if not files:
        st.info(t("photos.empty"))
        return
    looked: list[tuple[str, Picture, Faces]] = []
    for number, file in enumerate(files):
        st.subheader(file.name)
        if Path(file.name).suffix.lower().lstrip(".") in VIDEOS:
            _video(file)
            continue
        try:
            picture, faces = _looked_at(file)
        except ImageError as error:  # one bad file is told, the others go on
            st.error(str(error), icon=":material/error:")
            continue
        looked.append((file.name, picture, faces))
        _picture(f"{number}-{file.file_id}", picture, faces)
    if looked:
        verdicts.view(looked)


def _looked_at(file: UploadedFile) -> tuple[Picture, Faces]:
    """The picture and its named faces; looked for again only when somebody was learnt meanwhile."""
    data = file.getvalue()
    key = (hashlib.sha256(data).hexdigest(), gallery().revision())
    kept: dict[Any, tuple[Picture, Faces]] = st.session_state.setdefault("looked", {})
    if key not in kept:
        with st.spinner(t("photos.looking")):
            picture = read(data, file.name)
            kept[key] = (picture, recognizer().identify(picture))
        for old in list(kept)[:-20]:
            del kept[old]
    return kept[key]


def _picture(key: str, picture: Picture, faces: Faces) -> None:
    """One picture: annotated, to be downloaded, and a tile for each face."""
    from mien.media.drawing import drawn_jpeg

    drawn = drawn_jpeg(picture, faces, longest=2400, quality=90)
    names = ", ".join(m.name for m in faces.matches or () if m.decision == "match")
    st.image(drawn, caption=t("photos.caption", count=len(faces), names=names or "–"), width="stretch")
    name = f"{Path(picture.source).stem}-mien.jpg"
    st.download_button(t("photos.download"), drawn, file_name=name, mime="image/jpeg", key=f"get-{key}")
    if not len(faces):
        st.write(t("photos.no_face"))
    order = faces.boxes[:, 0].argsort(kind="stable").tolist()
    for begin in range(0, len(order), _ACROSS):
        for row, column in zip(order[begin : begin + _ACROSS], st.columns(_ACROSS), strict=False):
            with column:
                _tile(f"{key}-{row}", picture, faces, row)


def _tile(key: str, picture: Picture, faces: Faces, row: int) -> None:
    match, number = (faces.matches or ())[row], int(faces.numbers[row])
    st.image(cut(picture, faces, row), caption=t("photos.face", number=number), width="stretch")
    st.markdown(said(match))
    if match.decision == "match" or not login.may("operator"):
        return
    with st.popover(t("photos.who_is", number=number), width="stretch"):
        name = choose_name(t("people.name"), f"name-{key}")
        twin = st.checkbox(t("people.alike"), key=f"twin-{key}")
        if st.button(t("photos.learn"), key=f"learn-{key}", type="primary", disabled=not name):
            options = house().enrol_options(face=number, allow_similar=twin)
            outcomes = recognizer().enroll(name, [picture], options=options)
            tell_enrolments(outcomes)
            if outcomes[0].accepted:
                st.rerun()


def _video(file: UploadedFile) -> None:
    """Who is seen in a video from when to when, and the annotated video; only when asked for, since it takes its time."""
    kept: dict[str, tuple[list[dict[str, Any]], bytes]] = st.session_state.setdefault("followed", {})
    if file.file_id not in kept:
        st.video(file.getvalue())
        if not st.button(t("photos.follow"), key=f"follow-{file.file_id}", type="primary"):
            return
        kept[file.file_id] = _followed(file)
    rows, drawn = kept[file.file_id]
    st.video(drawn)
    st.dataframe(rows, width="stretch", hide_index=True)
    name = f"{Path(file.name).stem}-mien.mp4"
    st.download_button(t("photos.download"), drawn, file_name=name, mime="video/mp4", key=f"get-{file.file_id}")


def _followed(file: UploadedFile) -> tuple[list[dict[str, Any]], bytes]:
    from mien.jobs.follow import SightingList, follow
    from mien.media.drawing import draw_faces
    from mien.media.video import VideoFile
    from mien.media.video_writer import VideoWriter

    recognizer()  # its networks are loaded under the lock of the cache
    sightings, bar = SightingList(), st.progress(0.0, t("photos.following"))
    with tempfile.TemporaryDirectory() as folder:
        path, target = Path(folder) / f"in{Path(file.name).suffix}", Path(folder) / "out.mp4"
        path.write_bytes(file.getvalue())
        megapixels = house().settings.max_megapixels
        with VideoFile(path, max_megapixels=megapixels) as video, VideoWriter(target) as writer:
            for picture, faces in follow(video, house().follower(), sightings):
                writer.write(draw_faces(picture.pixels, faces.scaled(picture.scale)), picture.time)
                bar.progress(min((picture.time or 0.0) / max(video.duration, 0.001), 1.0), t("photos.following"))
        bar.empty()
        drawn = io.BytesIO(target.read_bytes()).getvalue()
    rows = [
        {
            t("photos.from"): round(span.start, 1),
            t("photos.to"): round(span.end, 1),
            t("photos.who"): span.who if span.match.decision == "match" else t(f"decisions.{span.match.decision}"),
            t("photos.similarity"): None if span.similarity is None else round(span.similarity, 2),
        }
        for span in sightings.spans()
    ]
    return rows, drawn
