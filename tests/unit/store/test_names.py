"""What a person may be called."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import InputError
from mien.store.names import LONGEST_NAME, clean_name, is_id_prefix, name_key

names = st.text(min_size=1, max_size=30)


@pytest.mark.parametrize(
    "name",
    [
        "Đức Nguyễn",
        "محمد",
        "नरेंद्र मोदी",
        "山田太郎",
        "Ωmega",
        "O'Brien-Smith",
        "می\u200cخواهم",
        "😀",
        "x" * LONGEST_NAME,
    ],
)
def test_any_script_is_kept(name):
    """Names of any script stay as they are, in NFC."""
    assert clean_name(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "is empty"),
        (" \u00a0 ", "is empty"),
        ("\u200d", "is empty"),
        ("A\tB", "control"),
        ("A\u2028B", "control"),
        ("A\u202eB", "control"),
        ("A\u200bB", "control"),
        ("bad\udcff", "control"),
        ("x" * (LONGEST_NAME + 1), "at most 200"),
        ("8a6e0804-2bd0-4672-b79d-d97027f9071a", "shape of a person's id"),
    ],
)
def test_refused_names_say_why(name, why):
    """A refused name is told what is wrong with it, on one line that any terminal can print."""
    with pytest.raises(InputError, match=why) as error:
        clean_name(name)
    assert "\n" not in str(error.value)
    str(error.value).encode()


def test_blanks_are_made_one():
    """Blanks around a name go, runs of them become one."""
    assert clean_name("  Ada \u00a0  Lovelace ") == "Ada Lovelace"


@given(names)
def test_cleaning_is_done_once(name):
    """A clean name stays as it is, and is the same name as before."""
    try:
        cleaned = clean_name(name)
    except InputError:
        return
    assert clean_name(cleaned) == cleaned
    assert name_key(cleaned) == name_key(name)


@given(names)
def test_keys_ignore_composition_and_case(name):
    """Composed, decomposed and case-folded spellings have one key."""
    spellings = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    keys = {name_key(s) for s in (*spellings, name.casefold())}
    assert keys == {name_key(name)}


@pytest.mark.parametrize(
    ("text", "could_be"),
    [
        ("8a6e08", True),
        ("8a6e0", False),
        ("8A6E0804-2b", True),
        ("Ada Lo", False),
        ("facade", True),
        ("8a6e08042", False),
    ],
)
def test_beginning_of_an_id(text, could_be):
    """Six hex digits could begin an id; a name in letters could not, unless all of them are hex digits."""
    assert is_id_prefix(text) is could_be
