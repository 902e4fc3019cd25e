"""Drawn pictures: every script has its glyphs, labels stay inside and apart, nothing given is changed."""

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

from mien.core.answers import Attribute, Contender, Match
from mien.core.errors import InputError
from mien.core.faces import Faces
from mien.core.reasons import Candidate, Reason, Trace
from mien.media import drawing
from mien.media.drawing import DrawOptions, contact_sheet, draw_faces, draw_trace, face_labels
from mien.media.lettering import Lettering, lettering, packaged_fonts, system_fonts

NAMES = {
    "Vietnamese": "Đức Nguyễn",
    "Vietnamese, decomposed": "Nguye\u0302\u0303n",
    "Latin": "Łukasz Ğüneş Ñandú",
    "Cyrillic": "Александр Ёлкин",
    "Greek": "Ἀριστοτέλης Ωνάσης",
    "Arabic": "محمد الفاتح",
    "Hebrew": "דוד בן־גוריון",
    "Thai": "สมชาย ใจดี",
    "Devanagari": "अनिरुद्ध शर्मा",
    "Tamil": "தமிழ் செல்வன்",
    "Georgian": "მარიამი",
    "Chinese": "王小明 陳大文",
    "Japanese": "山田 はなこ",
    "Korean": "김민준",
    "mixed": "Ada محمد 王 x 7",
}


def drawn(text, size=32, letters=None):
    """``text`` in black on white, as an array."""
    canvas = Image.new("RGB", (700, 70), "white")
    (letters or lettering()).draw(canvas, (5, 45), text, size=size, fill="black")
    return np.asarray(canvas)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_every_script_has_glyphs(name):
    """Each letter of names in many scripts has a glyph of its own in the fonts that come with the package."""
    assert Lettering(packaged_fonts()).missing(name) == ""
    assert drawn(name).min() < 60


def test_a_vietnamese_name_is_no_row_of_boxes():
    """Each letter of a Vietnamese name is drawn otherwise than the font's sign for a missing character."""
    font = ImageFont.truetype(str(packaged_fonts()[0]), 32)
    tofu = bytes(font.getmask("\U0010ffff"))
    assert all(bytes(font.getmask(c)) != tofu for c in "ĐứcNguyễn")
    pictures = {drawn(c).tobytes() for c in "ĐứcNguyễ"}
    assert len(pictures) == len("ĐứcNguyễ")


def test_letters_without_a_font_are_named():
    """Characters that no font here has are reported, each once, and drawing them is no error."""
    letters = Lettering(packaged_fonts()[:1])
    assert letters.missing("王 Ada 王明") == "王明"
    assert letters.width("王 Ada", 20) > 0
    drawn("王 Ada", letters=letters)
    assert Lettering([]).missing("A") == "A"
    assert drawn("A", letters=Lettering([])).min() < 60  # Pillow's own font


def test_system_fonts_are_asked_only_for_what_is_missing():
    """Fonts of the system are opened when a character is in none of the package's, and not before."""
    opened = []

    def more():
        opened.append(1)
        yield from packaged_fonts()

    letters = Lettering(packaged_fonts()[:1], more())
    letters.width("Đức", 20)
    assert not opened
    assert letters.missing("สมชาย") == ""
    assert opened
    assert all(f.suffix.lower() in {".ttf", ".ttc", ".otf"} for f in system_fonts())


def test_rtl_names_keep_their_order_beside_latin():
    """A name that begins with a right-to-left script has its further parts to the left of it."""
    letters = lettering()
    first = [part for part, _ in letters._pieces("محمد Ada", 20)]
    assert first[0].startswith("Ada")
    assert next(part for part, _ in letters._pieces("Ada محمد", 20)).startswith("Ada")


def test_without_bidirectional_layout_letters_still_stand_in_order(monkeypatch):
    """Where the system has no FriBiDi, right-to-left runs are turned around here; with it they are left to it."""
    assert [part for part, _ in lettering()._pieces("דוד", 20)] == ["דוד"]
    monkeypatch.setattr("PIL.features.check_feature", lambda _: False)
    assert [part for part, _ in Lettering(packaged_fonts())._pieces("דוד", 20)] == ["דוד"[::-1]]
    assert [part for part, _ in Lettering(packaged_fonts())._pieces("Đức", 20)] == ["Đức"]


@given(text=st.text(max_size=12) | st.text("a\r\n\t\0\u202e\u200d\ud800 é", max_size=6), width=st.integers(30, 200))
@settings(max_examples=40, deadline=None)
def test_shortened_text_fits(text, width):
    """Shortened text is no wider than asked for, whatever the characters, unless not even the ellipsis fits."""
    letters = Lettering(packaged_fonts())
    short = letters.shortened(text, 14, width)
    assert letters.width(short, 14) <= width or short == "…"


def table(boxes, **columns):
    return Faces(np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), 0.98, np.float32), **columns)


def match(decision, *names):
    return Match(decision, tuple(Contender(n, n, 0.71, 0.7, 1) for n in names), 0.5, 0.2)


def test_labels_say_who_and_how_near():
    """Labels give name and similarity, both candidates where it is ambiguous, the decision, or the detector's score."""
    faces = table([[0, 0, 9, 9]] * 4)
    assert face_labels(faces) == ["98%"] * 4
    matches = (match("match", "Ada"), match("ambiguous", "Ada", "Bo"), match("unknown", "Ada"), match("no_usable_face"))
    assert face_labels(faces.with_columns(matches=matches)) == [
        "Ada  0.71",
        "Ada or Bo?  0.71",
        "unknown  0.71",
        "no usable face",
    ]


def test_labels_say_what_classifiers_say():
    """Beside the name, and alone where the face was compared with nobody; a face without an answer keeps its own words."""
    said = (Attribute("m", "not_me", {"me": 0.03, "not_me": 0.97}),)
    faces = table([[0, 0, 9, 9]] * 3).with_columns(attributes=(said, (), said))
    assert face_labels(faces) == ["not_me 97%", "", "not_me 97%"]
    named = faces.with_columns(matches=(match("match", "Ada"), Match("unknown"), Match("unknown")))
    assert face_labels(named) == ["Ada  0.71  not_me 97%", "unknown", "not_me 97%"]
    colours = drawing._colours(named)
    assert colours == [drawing.DECISION_COLOURS["match"], drawing.DECISION_COLOURS["unknown"], drawing.CLASS_COLOURS[1]]


def test_the_picture_given_is_not_changed(astronaut):
    """Drawing returns a new picture of the same size and leaves the given one alone."""
    before = astronaut.copy()
    faces = table([[178, 65, 270, 176]], landmarks=np.full((1, 5, 2), 200, np.float32))
    out = draw_faces(astronaut, faces, ["Đức Nguyễn"])
    assert np.array_equal(astronaut, before)
    assert out.shape == astronaut.shape
    assert (out != astronaut).any()
    without = draw_faces(astronaut, faces, ["Đức Nguyễn"], DrawOptions(landmarks=False))
    assert (without != out).any()
    assert np.array_equal(draw_faces(astronaut, Faces.empty()), astronaut)


def test_decisions_have_colours_of_their_own(astronaut):
    """Every decision has a colour, none is used twice, and letters on it have a contrast of 4.5 at least."""
    decisions = ("match", "ambiguous", "unknown", "no_usable_face", "spoof")
    assert len({drawing.DECISION_COLOURS[d] for d in decisions}) == len(decisions)

    def luminance(colour):
        c = np.array(drawing._rgb(colour)) / 255
        return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    for colour in drawing.DECISION_COLOURS.values():
        pair = sorted([luminance(colour), luminance(drawing._ink(colour))])
        assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5


boxes = st.lists(
    st.tuples(st.integers(-50, 300), st.integers(-50, 200), st.integers(1, 200), st.integers(1, 200)), max_size=6
)


@given(boxes)
@settings(max_examples=60, deadline=None)
def test_labels_stay_inside_the_picture(corners):
    """Wherever faces lie, even outside, each label lies inside the picture and drawing is no error."""
    found = [[x, y, x + w, y + h] for x, y, w, h in corners]
    placed: list = []
    for box in found:
        x, y = drawing._place(box, (90, 18), (320, 200), found, placed)
        placed.append((x, y, x + 90, y + 18))
        assert 0 <= x <= 230
        assert 0 <= y <= 182
    out = draw_faces(np.full((200, 320, 3), 127, np.uint8), table(found), ["Nguyễn"] * len(found))
    assert out.shape == (200, 320, 3)


def test_labels_of_neighbours_do_not_cover_each_other():
    """Five people shoulder to shoulder keep five readable labels."""
    found = [[20 + 60 * i, 100, 80 + 60 * i, 170] for i in range(5)]
    placed: list = []
    for box in found:
        x, y = drawing._place(box, (110, 18), (400, 300), found, placed)
        placed.append((x, y, x + 110, y + 18))
    overlaps = [drawing._shared(a, b) for i, a in enumerate(placed) for b in placed[:i]]
    assert max(overlaps) == 0


def test_tiny_pictures_and_long_names():
    """A 1 × 1 picture and a name longer than the picture are drawn without an error."""
    assert draw_faces(np.zeros((1, 1, 3), np.uint8), table([[0, 0, 1, 1]])).shape == (1, 1, 3)
    assert draw_faces(np.zeros((60, 80, 3), np.uint8), table([[5, 5, 30, 40]]), ["long " * 40]).shape == (60, 80, 3)


def test_a_label_for_each_face(astronaut):
    """A wrong number of labels is an error that names both numbers."""
    with pytest.raises(InputError, match="expected 1 labels, one per face, got 2"):
        draw_faces(astronaut, table([[0, 0, 9, 9]]), ["a", "b"])


@pytest.mark.parametrize(
    ("count", "columns", "shape"), [(1, None, (1, 1)), (6, 3, (2, 3)), (7, 3, (3, 3)), (2, 9, (1, 2))]
)
def test_contact_sheet_has_a_square_per_tile(count, columns, shape):
    """The grid has as many rows and columns as it needs, with room for labels only when there are any."""
    tiles = [np.full((40 + i, 90, 3), 30 * i, np.uint8) for i in range(count)]
    plain = contact_sheet(tiles, columns=columns, tile_size=64)
    labelled = contact_sheet(tiles, ["Đức"] * count, columns=columns, tile_size=64)
    assert plain.shape == (4 + shape[0] * 68, 4 + shape[1] * 68, 3)
    assert labelled.shape[1] == plain.shape[1]
    assert labelled.shape[0] > plain.shape[0]


def test_contact_sheet_needs_tiles():
    """No tiles, or labels that do not fit them, are errors."""
    with pytest.raises(InputError, match="0 tiles"):
        contact_sheet([])
    with pytest.raises(InputError, match="1 tiles and 2 labels"):
        contact_sheet([np.zeros((2, 2, 3), np.uint8)], ["a", "b"])


def test_trace_shows_each_stage_in_its_colour():
    """A window let go by R-Net, one lost to suppression and a face each appear in their colour; the legend is added below."""
    grey = np.full((200, 300, 3), 120, np.uint8)

    def gone(box, stage, by):
        return Candidate(box, stage, {stage: 0.4}, Reason(by, "score", 0.4, 0.7, "--thresholds"))

    trace = Trace(
        (
            Candidate((20, 20, 80, 80), "face", {}),
            gone((100, 20, 160, 80), "rnet", "rnet"),
            gone((200, 20, 260, 80), "onet", "nms"),
        )
    )
    out = draw_trace(grey, trace)
    assert out.shape[0] > 200
    assert out.shape[1] == 300
    for x, stage in ((50, "face"), (130, "rnet"), (230, "nms")):
        assert np.abs(out[17:24, x].astype(int) - drawing._rgb(drawing.STAGE_COLOURS[stage])).sum(axis=1).min() < 90
    assert np.array_equal(out[100:200], grey[100:])
    assert draw_trace(grey, dataclasses.replace(trace, candidates=())).shape[1] == 300


def test_threads_may_look_for_fonts_at_the_same_time():
    """Two threads that need a system font at once both get their text, though the fonts are taken one by one."""

    def slowly():
        for font in packaged_fonts():
            time.sleep(0.01)
            yield font

    letters = Lettering([], slowly())
    with ThreadPoolExecutor(4) as threads:
        widths = list(threads.map(lambda text: letters.width(text, 20), ["Đức", "田中", "Ада", "Ada"]))
    assert min(widths) > 0
    assert letters.missing("Đức 田中 Ада") == ""
