"""Right or wrong? Somebody who knows the people judges the names that were given, as in the app of seed 001."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from mien.core.faces import Faces, Picture
from mien.doors.webapp.faces_view import cut
from mien.doors.webapp.words import t

__all__ = ["view"]


def view(looked: Sequence[tuple[str, Picture, Faces]]) -> None:
    """One row per face with what was said, a judgement for each, and the count of right ones."""
    with st.expander(t("verdicts.title")):
        st.write(t("verdicts.how"))
        judged: list[dict[str, object]] = []
        for number, (name, picture, faces) in enumerate(looked):
            for row, match in enumerate(faces.matches or ()):
                said = match.name if match.decision == "match" else t(f"decisions.{match.decision}")
                shown, words, choice = st.columns([1, 2, 2])
                shown.image(cut(picture, faces, row), width=96)
                words.markdown(f"**{said}**  \n{name}")
                answer = choice.radio(
                    t("verdicts.of", name=said, number=int(faces.numbers[row])),
                    ("right", "wrong"),
                    index=None,
                    horizontal=True,
                    key=f"verdict-{number}-{name}-{row}-{said}",
                    format_func=lambda v: t(f"judged.{v}"),
                )
                similarity = None if match.similarity is None else round(match.similarity, 4)
                judged.append(
                    {"picture": name, "face": int(faces.numbers[row]), "said": said, "similarity": similarity}
                    | {"verdict": answer}
                )
        _count(judged)


def _count(judged: list[dict[str, object]]) -> None:
    told = [row for row in judged if row["verdict"] is not None]
    if not told:
        return
    right = sum(row["verdict"] == "right" for row in told)
    st.metric(t("verdicts.count"), t("verdicts.sum", right=right, of=len(told)), f"{right / len(told):.0%}")
    wrong = [row for row in told if row["verdict"] == "wrong"]
    if wrong:
        st.dataframe(wrong, width="stretch", hide_index=True)
