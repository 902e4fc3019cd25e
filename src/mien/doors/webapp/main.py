"""The script that Streamlit runs for each browser and each click."""

from mien.doors.webapp.pages import run

run()
