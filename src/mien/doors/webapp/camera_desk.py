"""A camera on a page: the browser's by WebRTC, or one of the computer that the app runs on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from html import escape as escaped
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import streamlit as st

from mien.core.errors import MienError
from mien.core.faces import Faces
from mien.doors.webapp import login
from mien.doors.webapp.state import house
from mien.doors.webapp.words import phrase, t
from mien.jobs.stations import Scene, Station
from mien.media.feeds import Feed

if TYPE_CHECKING:
    from av import VideoFrame

    from mien.media.sources import Source

__all__ = ["Desk", "camera_of", "close", "escaped", "keep", "picture", "tell_state"]

_BROWSER, _COMPUTER = "browser", "computer"
_FRESH = 1.0
"""Seconds for which faces are drawn on frames that come after theirs."""
_WIDTH, _HEIGHT = 1280, 720

Kind = TypeVar("Kind", bound=Station)


@dataclass(slots=True)
class Desk(Generic[Kind]):
    """A camera at work for one browser page.

    Args:
        station: what works on it.
        feed: where the browser's frames are handed over; None for a camera of the computer.
        made_for: what it was made for: another wish makes another station.
        outcome: what came of it in the end; None before.
    """

    station: Kind
    feed: Feed | None
    made_for: tuple[Any, ...]
    outcome: Any = None
    _drawn: tuple[int, float] = (0, 0.0)

    def frame(self, frame: VideoFrame) -> VideoFrame:
        """What WebRTC's thread does with each frame of the browser: hands it over and draws the newest faces on it."""
        from mien.media.drawing import draw_faces

        pixels = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
        if self.feed is not None:
            self.feed.offer(lambda: pixels)
        drawn = draw_faces(pixels, self._faces(self.station.scene, pixels.shape[1]))
        shown = type(frame).from_ndarray(drawn, format="rgb24")
        shown.pts, shown.time_base = frame.pts, frame.time_base
        return shown

    def _faces(self, scene: Scene, width: int) -> Faces:
        """The newest faces, in pixels of a frame of this width; none if they are too old to be true."""
        if scene.number != self._drawn[0]:
            self._drawn = scene.number, time.monotonic()
        if scene.picture is None or time.monotonic() - self._drawn[1] > _FRESH:
            return Faces.empty()
        return scene.faces.scaled(width / scene.picture.original_size[0])


def camera_of(
    key: str, make: Callable[[Source], Kind], wish: tuple[Any, ...], *, ask: bool = True, again: bool = True
) -> Desk[Kind] | None:
    """The camera on this page once it runs; None until then.

    Args:
        key: of the place on the page.
        make: the station for a source.
        wish: what the station is made for.
        ask: whether which camera is asked; else as it was chosen before.
        again: whether a station that has ended is made anew while the browser's camera goes on.
    """
    with st.container():
        if ask:
            st.radio(
                t("camera.which"),
                (_BROWSER, _COMPUTER),
                key=f"{key}-which",
                horizontal=True,
                format_func=lambda which: t(f"cameras.{which}"),
            )
    which = st.session_state.get(f"{key}-which", _BROWSER)
    if which == _BROWSER:
        return _browser(key, make, (which, *wish), again=again)
    return _computer(key, make, wish, ask=ask)


def keep(*keys: str) -> None:
    """Before any of these controls: Streamlit forgets what a control held that is no longer shown; a kiosk shows none."""
    for key in keys:
        if key in st.session_state:
            st.session_state[key] = st.session_state[key]


def _browser(key: str, make: Callable[[Source], Kind], wish: tuple[Any, ...], *, again: bool) -> Desk[Kind] | None:
    from streamlit_webrtc import WebRtcMode, webrtc_streamer

    held: dict[str, Desk[Kind]] = st.session_state.setdefault("desks", {})

    def frame(given: VideoFrame) -> VideoFrame:
        desk = held.get(key)
        return given if desk is None else desk.frame(given)

    video = {"width": {"ideal": _WIDTH}, "height": {"ideal": _HEIGHT}, "facingMode": "user"}
    context = webrtc_streamer(
        key=f"{key}-webrtc",
        mode=WebRtcMode.SENDRECV,
        video_frame_callback=frame,
        media_stream_constraints={"video": video, "audio": False},
        rtc_configuration={"iceServers": []},  # both ends are in one network: nobody outside is asked
        translations={"start": t("camera.start"), "stop": t("camera.stop"), "select_device": t("camera.select")},
        async_processing=True,
    )
    if not context.state.playing:
        close(key)
        return None
    desk = held.get(key)
    if desk is None or desk.made_for != wish or (again and not desk.station.running):
        close(key)
        feed = Feed(t("cameras.browser"))
        desk = Desk(make(feed.camera).start(), feed, wish)
        held[key] = desk
    return desk


def _computer(key: str, make: Callable[[Source], Kind], wish: tuple[Any, ...], *, ask: bool) -> Desk[Kind] | None:
    from mien.media.sources import SourceOptions

    held: dict[str, Desk[Kind]] = st.session_state.setdefault("desks", {})
    if ask and login.may("admin"):  # an address or a file may be anything this computer reaches
        st.session_state.setdefault(f"{key}-address", "0")
        st.text_input(t("camera.address"), key=f"{key}-address", help=t("camera.address_help"))
    elif ask:
        st.number_input(t("camera.number"), min_value=0, step=1, key=f"{key}-address")
    address = str(st.session_state.get(f"{key}-address", "0")).strip()
    wish = (_COMPUTER, address, *wish)
    desk = held.get(key)
    if desk is not None and desk.made_for != wish:
        close(key)
        desk = None
    if ask and desk is None and st.button(t("camera.start"), key=f"{key}-start", type="primary") and address:
        try:
            source = house().source(address, SourceOptions(live=True))
        except MienError as error:
            st.error(str(error), icon=":material/error:")
            return None
        desk = held[key] = Desk(make(source).start(), None, wish)
    if ask and desk is not None and st.button(t("camera.stop"), key=f"{key}-stop"):
        close(key)
        st.rerun()
    return desk


def close(key: str) -> None:
    """Let the camera of this place go."""
    desk = st.session_state.get("desks", {}).pop(key, None)
    if desk is not None:
        desk.station.close()
        if desk.feed is not None:
            desk.feed.close()


def picture(desk: Desk[Any]) -> None:
    """The newest frame of a camera of the computer with its faces; the browser's is shown by WebRTC itself."""
    from mien.media.drawing import drawn_jpeg

    scene = desk.station.scene
    if desk.feed is None and scene.picture is not None:
        st.image(drawn_jpeg(scene.picture, scene.faces), caption=t("camera.sees"), width="stretch")


def tell_state(scene: Scene) -> None:
    """What people are to do now, and how the camera does."""
    for words in scene.instructions:
        st.html(f'<p class="mien-instruction" role="status">{escaped(phrase(words))}</p>')
    if scene.state in {"lost", "ended"} and scene.reason:
        st.warning(t("camera.lost", reason=phrase(scene.reason)), icon=":material/videocam_off:")
    elif scene.state == "connecting":
        st.caption(t("camera.connecting"))
