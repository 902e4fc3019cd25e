"""What a person may be called, and when two names are one.

Names are labels in any script. They are kept in NFC, compared by canonical caseless matching (Unicode 3.13, D145), and
never carry what a terminal, a drawing or a spreadsheet would stumble over.
"""

from __future__ import annotations

import re
import unicodedata

from mien.core.errors import InputError

__all__ = ["ID_LENGTH", "LONGEST_NAME", "SHORTEST_ID_PREFIX", "clean_name", "is_id_prefix", "name_key", "storable"]

LONGEST_NAME = 200
"""Characters after normalisation."""

SHORTEST_ID_PREFIX = 6
"""Ids may be abbreviated to so many characters, as Git does it."""

ID_LENGTH = 36
"""Characters of an id in full."""

ANSWERS = frozenset({"match", "ambiguous", "unknown", "no_usable_face", "spoof"})
"""The decisions of ``core.faces.Match``: nobody is called so."""

_JOINERS = frozenset("\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}")  # Persian and Indic names need them
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_ID_START = re.compile(r"[0-9a-f]{6,8}|[0-9a-f]{8}-[0-9a-f-]{0,27}")


def clean_name(name: str) -> str:
    """``name`` in NFC, trimmed, runs of blanks made one.

    Raises:
        InputError: an empty or overlong name, one with newlines, control or direction characters, one that is no valid
            Unicode, one that is an answer ("unknown"), or one in the shape of an id.
    """
    for character in name:
        if unicodedata.category(character) in _UNPRINTABLE and character not in _JOINERS:
            raise InputError(f"the name {name!r} has the character {character!r}; give it without control characters")
    name = " ".join(unicodedata.normalize("NFC", name).split())
    if not any(unicodedata.category(character)[0] in "LNPS" for character in name):
        raise InputError(f"the name {name!r} is empty; give at least one letter, digit or sign")
    if len(name) > LONGEST_NAME:
        raise InputError(f"the name {name[:20]}… has {len(name)} characters; give at most {LONGEST_NAME}")
    if name_key(name).replace(" ", "_") in ANSWERS:
        raise InputError(f"the name {name!r} is what mien answers for faces without a name; give another")
    if len(name) == ID_LENGTH and is_id_prefix(name):
        raise InputError(f"the name {name} has the shape of a person's id; give another")
    return name


def name_key(name: str) -> str:
    """What is equal for names that are one: ``"đức"`` and ``"ĐỨC"``, composed or not."""
    folded = unicodedata.normalize("NFD", " ".join(name.split())).casefold()
    return unicodedata.normalize("NFC", folded)


def is_id_prefix(text: str) -> bool:
    """Whether ``text`` could be an id or its first characters (at least six)."""
    return len(text) <= ID_LENGTH and _ID_START.fullmatch(text.lower()) is not None


def storable(text: str) -> str:
    r"""File names that are no valid Unicode, their odd bytes as ``\udcff``."""
    return text.encode("utf-8", "backslashreplace").decode()
