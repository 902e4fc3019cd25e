"""Names in any script: which font has the glyphs, how wide the text is, and the text itself.

Noto Sans for some twenty scripts and for Chinese, Japanese and Korean comes with the package's dependencies; fonts of
the system are searched only for what these lack. Bidirectional and joined scripts (Arabic, Devanagari …) are shaped by
raqm, which Pillow's wheels bring but which needs the system's FriBiDi; without it each glyph is right but Arabic stays
unjoined. ``Lettering.missing`` says which characters no font here can draw.
"""

from __future__ import annotations

import functools
import itertools
import os
import sys
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, features

__all__ = ["Lettering", "lettering", "packaged_fonts", "system_fonts"]

_FONT_PACKAGES = ("manimgx_fonts", "noto_cjk_sans_otc")
_PROBE = 24  # pixels at which glyphs are compared with the font's sign for "missing"
_BOLDNESS = 600  # of a variable font: readable at 12 pixels on any colour

Font = ImageFont.FreeTypeFont


@dataclass(frozen=True, slots=True)
class _Run:
    """A piece of text that one font draws."""

    text: str
    face: Path | None


def packaged_fonts() -> list[Path]:
    """Font files of the packages we depend on, the one for Latin, Cyrillic, Greek and Vietnamese first."""
    specs = [find_spec(name) for name in _FONT_PACKAGES]
    folders = [Path(p) for spec in specs if spec is not None for p in spec.submodule_search_locations or ()]
    files = [
        f for folder in folders for f in folder.rglob("*.tt[fc]") if "Italic" not in f.name and "Emoji" not in f.name
    ]
    return sorted(files, key=lambda f: (not f.name.startswith("NotoSans["), f.name.startswith("NotoSansCJK"), f.name))


def system_fonts() -> list[Path]:
    """Font files in the places where Linux, macOS and Windows keep them, upright sans-serif faces first."""
    home = Path.home()
    places = {
        "darwin": [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"],
        "win32": [
            Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts",
            home / "AppData/Local/Microsoft/Windows/Fonts",
        ],
    }.get(
        sys.platform,
        [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".local/share/fonts", home / ".fonts"],
    )
    files = [f for place in places for f in place.rglob("*") if f.suffix.lower() in {".ttf", ".ttc", ".otf"}]
    return sorted(files, key=_plainness)


def _plainness(file: Path) -> tuple[int, str]:
    name = file.name.lower()
    odd = sum(
        word in name for word in ("bold", "italic", "oblique", "light", "thin", "black", "mono", "serif", "condensed")
    )
    return odd - 2 * ("sans" in name) - ("noto" in name), name


class Lettering:
    """Draws text with the first fonts that have its characters.

    Args:
        fonts: files in order of preference.
        fallbacks: more files, taken one by one when a character is in none of them.
    """

    def __init__(self, fonts: Sequence[Path], fallbacks: Iterable[Path] = ()) -> None:
        self._fonts = list(fonts)
        self._fallbacks = iter(fallbacks)
        self._searching = threading.Lock()  # the fallbacks are taken one by one, by one thread at a time
        self._loaded: dict[tuple[Path | None, int, int], Font] = {}
        self._covered: dict[tuple[Path, str], bool] = {}
        self._shaped = features.check_feature("raqm")

    def missing(self, text: str) -> str:
        """The characters of ``text`` for which no font here has a glyph, each once."""
        runs = self._runs(_cleaned(text))
        return "".join(dict.fromkeys(c for run in runs if run.face is None for c in run.text if not _joins(c)))

    def width(self, text: str, size: int) -> int:
        """Pixels that ``text`` takes at ``size``, rounded up."""
        return -int(-sum(font.getlength(part) for part, font in self._pieces(text, size)) // 1)

    def draw(self, canvas: Image.Image, at: tuple[float, float], text: str, *, size: int, fill: str) -> None:
        """Write ``text`` on ``canvas`` with its baseline starting at x, y."""
        x, y = at
        pen = ImageDraw.Draw(canvas)
        for part, font in self._pieces(text, size):
            pen.text((x, y), part, font=font, fill=fill, anchor="ls")
            x += font.getlength(part)

    def shortened(self, text: str, size: int, width: int) -> str:
        """``text``, or as much of it as fits into ``width`` pixels with an ellipsis."""
        if self.width(text, size) <= width:
            return text
        cuts = (text[:n].rstrip() + "…" for n in range(len(text) - 1, 0, -1))
        return next((cut for cut in cuts if self.width(cut, size) <= width), "…")

    def _pieces(self, text: str, size: int) -> list[tuple[str, Font]]:
        """Parts of ``text`` in the order in which they stand on the line, from the left, with their fonts."""
        runs = self._runs(_cleaned(text))
        rightwards = _base_direction(text) == "ltr"
        if not self._shaped:
            runs = [_Run(run.text if _base_direction(run.text) == "ltr" else run.text[::-1], run.face) for run in runs]
        ordered = runs if rightwards else runs[::-1]
        return [(run.text, self._font(run.face, size, _collection_index(run))) for run in ordered]

    def _runs(self, text: str) -> list[_Run]:
        runs: list[_Run] = []
        for char in text:
            last = runs[-1] if runs else None
            if last is not None and (_joins(char) or self._stays(char, last.face)):
                runs[-1] = _Run(last.text + char, last.face)
                continue
            face = self._face_for(char)
            if last is not None and face == last.face:
                runs[-1] = _Run(last.text + char, face)
            else:
                runs.append(_Run(char, face))
        return runs

    def _stays(self, char: str, face: Path | None) -> bool:
        """Digits and punctuation keep the font of the word before; each letter has its own script's."""
        return face is not None and not char.isalpha() and self._has(face, char)

    def _face_for(self, char: str) -> Path | None:
        found = self._first_with(char, self._fonts)
        if found is None:
            with self._searching:
                found = self._first_with(char, itertools.chain(self._fonts, self._more_fonts()))
        return found

    def _first_with(self, char: str, faces: Iterable[Path]) -> Path | None:
        return next((face for face in faces if self._has(face, char)), None)

    def _more_fonts(self) -> Iterator[Path]:
        """The fallbacks not looked at so far; each becomes one of the fonts."""
        for face in self._fallbacks:
            self._fonts.append(face)
            yield face

    def _has(self, face: Path, char: str) -> bool:
        key = face, char
        if key not in self._covered:
            self._covered[key] = _draws(face, char)
        return self._covered[key]

    def _font(self, face: Path | None, size: int, index: int) -> Font:
        key = face, size, index
        if key not in self._loaded:
            self._loaded[key] = _load(face, size, index)
        return self._loaded[key]


@functools.cache
def lettering() -> Lettering:
    """The fonts of this machine, looked for once per process."""
    return Lettering(packaged_fonts(), _lazily_system_fonts())


def _lazily_system_fonts() -> Iterator[Path]:
    yield from system_fonts()


def _load(face: Path | None, size: int, index: int = 0) -> Font:
    if face is None:
        builtin = ImageFont.load_default(size)
        if isinstance(builtin, ImageFont.FreeTypeFont):
            return builtin
        message = "Pillow was built without FreeType"
        raise ImportError(message)
    font = ImageFont.truetype(str(face), size, index=index)
    if "[" in face.name:  # a variable font names its axes so
        axes = font.get_variation_axes()
        font.set_variation_by_axes(
            [_BOLDNESS if axis["name"] in {b"Weight", "Weight"} else axis["default"] or 0 for axis in axes]
        )
    return font


def _draws(face: Path, char: str) -> bool:
    """Whether a font has a glyph of its own for ``char``: not an empty one, and not its sign for "missing"."""
    try:
        font = ImageFont.truetype(str(face), _PROBE, layout_engine=ImageFont.Layout.BASIC)
        glyph, tofu = font.getmask(char), font.getmask("\U0010ffff")
    except OSError:  # a damaged font file, or bitmaps of another size only
        return False
    return glyph.getbbox() is not None and (glyph.size, bytes(glyph)) != (tofu.size, bytes(tofu))


def _joins(char: str) -> bool:
    """Whether ``char`` has no glyph of its own or belongs to the one before: spaces, marks, format characters."""
    return unicodedata.category(char) in {"Mn", "Mc", "Me", "Cf", "Cc", "Zs"}


def _cleaned(text: str) -> str:
    """Composed characters on one line: controls become spaces, invisible ones but the two joiners go."""
    kinds = ((c, unicodedata.category(c)) for c in unicodedata.normalize("NFC", text))
    shown = (
        " " if kind in {"Cc", "Zl", "Zp"} else "\ufffd" if kind == "Cs" else c
        for c, kind in kinds
        if kind != "Cf" or c in "\u200c\u200d"
    )
    return "".join(shown)


def _base_direction(text: str) -> str:
    """``"rtl"`` if the first letter is Hebrew, Arabic or the like, as the Unicode algorithm (UAX 9, P2) has it."""
    strong = (unicodedata.bidirectional(c) for c in text)
    return next(("ltr" if d == "L" else "rtl" for d in strong if d in {"L", "R", "AL"}), "ltr")


def _collection_index(run: _Run) -> int:
    """Which face of the CJK collection: Japanese with kana, Korean with hangul, else simplified Chinese."""
    if run.face is None or not run.face.name.startswith("NotoSansCJK"):
        return 0
    if any("\u3040" <= c <= "\u30ff" for c in run.text):
        return 0
    return 1 if any("\uac00" <= c <= "\ud7a3" or "\u1100" <= c <= "\u11ff" for c in run.text) else 2
