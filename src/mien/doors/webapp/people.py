"""The page People: who is known, by which faces; adding, merging, renaming and forgetting them."""

from __future__ import annotations

import json

import streamlit as st

from mien.core.people import Person, Template
from mien.doors.webapp import enrol, login
from mien.doors.webapp.faces_view import PICTURES, choose_name, read, tell_enrolments
from mien.doors.webapp.state import gallery, house, recognizer
from mien.doors.webapp.words import t

__all__ = ["add_by_photos", "page"]


def page() -> None:
    """Everything on the page."""
    st.title(t("people.title"))
    if login.may("operator"):
        photos, camera = st.tabs([t("people.by_photos"), t("people.by_camera")])
        with photos:
            add_by_photos()
        with camera:
            enrol.by_camera("people")
    _tell_receipt()
    known = gallery().people()
    st.subheader(t("people.known", count=len(known)))
    wanted = st.text_input(t("people.search"), key="people-search").strip().casefold()
    for person in known:
        if wanted in person.name.casefold():
            with st.expander(t("people.line", name=person.name, count=person.templates)):
                _person(person, known)


def add_by_photos() -> None:
    """A name and photographs; the gate says why one of them is refused. Once all are learnt, the form is empty again."""
    turn = st.session_state.setdefault("add-turn", 0)
    with st.form("add-person"):
        name = choose_name(t("people.name"), f"add-name-{turn}")
        files = st.file_uploader(
            t("people.photos"), type=list(PICTURES), accept_multiple_files=True, key=f"add-files-{turn}"
        )
        twin = st.checkbox(t("people.alike"), key=f"add-twin-{turn}")
        sent = st.form_submit_button(t("people.add"), type="primary")
    if not sent:
        tell_enrolments(st.session_state.pop("added", ()))
        return
    if not name or not files:
        st.warning(t("people.incomplete"))
        return
    pictures = []
    for file in files:
        try:
            pictures.append(read(file.getvalue(), file.name))
        except ValueError as error:  # an ImageError: this file is told, the others go on
            st.error(str(error), icon=":material/error:")
    with st.spinner(t("photos.looking")):
        outcomes = recognizer().enroll(name, pictures, options=house().enrol_options(allow_similar=twin))
    if len(outcomes) == len(files) and all(outcome.accepted for outcome in outcomes):
        st.session_state.update({"add-turn": turn + 1, "added": outcomes})
        st.rerun()
    tell_enrolments(outcomes)


def _person(person: Person, known: list[Person]) -> None:
    for template in gallery().templates(person.id):
        _template(template)
    if not login.may("operator"):
        return
    with st.form(f"rename-{person.id}"):
        name = st.text_input(t("people.new_name"), value=person.name)
        if st.form_submit_button(t("people.rename")) and name.strip() != person.name:
            gallery().rename(person.id, name)
            st.rerun()
    if not login.may("admin"):
        return
    others = {p.id: p.name for p in known if p.id != person.id}
    if others:
        with st.form(f"merge-{person.id}"):
            other = st.selectbox(
                t("people.merge_which"),
                list(others),
                index=None,
                format_func=others.__getitem__,
                placeholder=t("people.choose"),
            )
            sure = st.checkbox(t("people.merge_sure", name=person.name))
            if st.form_submit_button(t("people.merge")) and other and sure:
                gallery().merge(person.id, other)
                st.rerun()
    if st.button(t("people.forget", name=person.name), key=f"forget-{person.id}", icon=":material/delete_forever:"):
        _forget(person)


def _template(template: Template) -> None:
    """One learnt face: where it comes from, what the gate measured, and a way to forget it."""
    q = template.quality
    measured = t("people.measured", size=q.get("size", 0), sharpness=q.get("sharpness", 0), yaw=q.get("yaw", 0))
    made = "" if template.created is None else f"{template.created.astimezone():%Y-%m-%d %H:%M}"
    words, act = st.columns([4, 1])
    words.markdown(f"{template.source or '–'}  \n{made} · {measured} · {template.space.name}")
    if login.may("operator") and act.button(t("people.forget_photo"), key=f"drop-{template.id}"):
        gallery().remove_template(template.id)
        st.rerun()


@st.dialog("mien")
def _forget(person: Person) -> None:
    """Asks, and then really forgets."""
    st.write(t("people.forget_ask", name=person.name, count=person.templates))
    typed = st.text_input(t("people.forget_type", name=person.name))
    if st.button(t("people.forget_now"), type="primary", disabled=typed.strip() != person.name):
        receipt = gallery().remove(person.id)
        st.session_state["receipt"] = (person.name, receipt.verified, json.dumps(receipt.to_dict(), indent=2))
        st.rerun()


def _tell_receipt() -> None:
    """What became of the last removal, with its receipt."""
    if "receipt" not in st.session_state:
        return
    name, verified, receipt = st.session_state["receipt"]
    if verified:
        st.success(t("people.forgotten", name=name), icon=":material/check:")
    else:
        st.warning(t("people.not_verified", name=name), icon=":material/warning:")
    st.download_button(t("people.receipt"), receipt, file_name="removal.json", mime="application/json")
