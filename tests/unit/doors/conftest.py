"""The web app as Streamlit's own tests run it: in this process, with a gallery of its own."""

from pathlib import Path
from types import SimpleNamespace

import pytest


@pytest.fixture
def app(tmp_path, cache_dir, monkeypatch):
    """Start the app with options: ``app(login=False)`` gives Streamlit's AppTest, not run yet."""
    pytest.importorskip("streamlit", reason="the extra app is not installed")
    import streamlit as st
    import streamlit_webrtc
    from streamlit.testing.v1 import AppTest

    from mien.doors.webapp import main_script, state

    for name in ("MIEN_CONFIG", "MIEN_PRESET", "MIEN_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MIEN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MIEN_CACHE_DIR", str(cache_dir))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    idle = SimpleNamespace(state=SimpleNamespace(playing=False))  # WebRTC needs a server; the browser's test has one
    monkeypatch.setattr(streamlit_webrtc, "webrtc_streamer", lambda **_: idle)

    def start(*, login: bool = False, language: str = "en"):
        state.configure(state.AppOptions({}, login, language))
        return AppTest.from_file(str(Path(main_script())), default_timeout=60)

    yield start
    state.forget()
    st.cache_data.clear()
    state.configure(state.AppOptions())
