"""How the pages look: large letters, strong contrast, one column on a phone; without menus in a kiosk."""

from __future__ import annotations

import streamlit as st

__all__ = ["apply", "is_kiosk"]

_STYLE = """<style>
html { font-size: 112.5%; }
.stApp p, .stApp li, .stApp label, .stApp input, .stApp textarea { font-size: 1rem; line-height: 1.5; }
.stApp [data-testid="stMetricValue"] p { font-size: 2rem; font-weight: 600; }
.stButton button, .stDownloadButton button, .stFormSubmitButton button { min-height: 3rem; font-size: 1rem; }
.stApp a { text-decoration: underline; }
:focus-visible { outline: 3px solid #b35900 !important; outline-offset: 2px; }
.mien-arrived { font-size: 1.6rem; font-weight: 600; margin: .2rem 0; overflow-wrap: anywhere; }
.mien-instruction { font-size: 2.2rem; font-weight: 700; padding: 1rem; background: #1b1b1b; color: #ffffff;
  border-radius: .5rem; text-align: center; }
@media (max-width: 640px) {
  .block-container { padding-left: 1rem; padding-right: 1rem; }
  [data-testid="stHorizontalBlock"] { flex-wrap: wrap; }
  [data-testid="stHorizontalBlock"] > div { min-width: 100% !important; }
}
</style>"""

_KIOSK = """<style>
[data-testid="stSidebar"], [data-testid="stSidebarCollapsedControl"], [data-testid="stHeader"],
[data-testid="stToolbar"], [data-testid="stExpandSidebarButton"] { display: none !important; }
.block-container { padding-top: 1rem; max-width: 100%; }
html { font-size: 150%; }
</style>"""


def is_kiosk() -> bool:
    """Whether the page stands at a door: large, no menu."""
    return st.query_params.get("kiosk") == "1"


def apply() -> None:
    """Set the style of this page."""
    st.html(_STYLE + (_KIOSK if is_kiosk() else ""))
