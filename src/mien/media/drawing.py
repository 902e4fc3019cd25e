"""Pictures to look at: faces with boxes, points and names; contact sheets; what a detector considered and let go.

Every function returns a new ``(H, W, 3)`` uint8 RGB array. Sizes follow the picture, labels stay inside it and keep out
of each other's way, and colours are those of Okabe and Ito, told apart with any colour vision; words repeat them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mien.core.errors import InputError
from mien.core.faces import Faces, Picture, check_image
from mien.core.reasons import Candidate, Trace
from mien.media.lettering import Lettering, lettering

__all__ = ["DrawOptions", "contact_sheet", "draw_faces", "draw_trace", "drawn_jpeg", "face_labels"]

Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]

DECISION_COLOURS = {
    "match": "#009E73",
    "ambiguous": "#E69F00",
    "unknown": "#56B4E9",
    "no_usable_face": "#9A9A9A",
    "spoof": "#D55E00",
    "face": "#56B4E9",
}
"""Okabe and Ito's palette; ``face`` is a face that nobody tried to name."""

CLASS_COLOURS = ("#009E73", "#E69F00", "#CC79A7", "#0072B2", "#F0E442", "#D55E00")
"""Of the classes of a classifier, in its order, from the same palette."""

STAGE_COLOURS = {
    "nms": "#CC79A7",
    "pyramid": "#8C8C8C",
    "pnet": "#8C8C8C",
    "rnet": "#56B4E9",
    "onet": "#E69F00",
    "gate": "#D55E00",
    "face": "#009E73",
}
"""Who let a candidate go, in the order in which they are drawn: a window given up for a better one says least.

Any other stage is drawn as ``gate``."""

_STAGE_WORDS = {
    "pyramid": "too small or too large for the pyramid",
    "pnet": "P-Net let it go",
    "rnet": "R-Net let it go",
    "onet": "O-Net let it go",
    "nms": "given up for a better overlapping window",
    "gate": "not good enough",
    "face": "face",
}


@dataclass(frozen=True, slots=True)
class DrawOptions:
    """How faces are drawn.

    Args:
        landmarks: whether the five points are drawn.
        scale: 1 draws lines and letters for a picture seen whole on a screen; 2 twice as large.
    """

    landmarks: bool = True
    scale: float = 1.0


def face_labels(faces: Faces) -> list[str]:
    """What is written at each face: name and similarity, the decision, what classifiers say, or how sure the detector is."""
    if faces.attributes is None:
        return _match_labels(faces)
    named = _match_labels(faces) if faces.matches is not None else [""] * len(faces)
    labels = []
    for row, (words, attributes) in enumerate(zip(named, faces.attributes, strict=True)):
        said = [f"{a.label} {a.probability:.0%}" for a in attributes]
        labels.append("  ".join([*([] if _nobody(faces, row) and said else [words]), *said]).strip())
    return labels


def _nobody(faces: Faces, row: int) -> bool:
    """Whether a face was compared with nobody."""
    return faces.matches is None or (faces.matches[row].decision == "unknown" and not faces.matches[row].candidates)


def _match_labels(faces: Faces) -> list[str]:
    if faces.matches is None:
        return [f"{score:.0%}" for score in faces.scores.tolist()]
    labels = []
    for match in faces.matches:
        words = match.name if match.decision == "match" else match.decision.replace("_", " ")
        if match.decision == "ambiguous":
            words = " or ".join(c.name for c in match.candidates[:2]) + "?"
        labels.append(f"{words}  {match.similarity:.2f}" if match.similarity is not None else words)
    return labels


def draw_faces(
    pixels: Pixels, faces: Faces, labels: Sequence[str] | None = None, options: DrawOptions = DrawOptions()
) -> Pixels:
    """The picture with a box, five points and a label at each face, coloured by decision.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB; not changed.
        faces: boxes in pixels of this picture (``faces.scaled(picture.scale)`` brings them there).
        labels: one per face, any script; ``""`` writes none, None writes ``face_labels``.

    Raises:
        InputError: not one label per face.
    """
    words = face_labels(faces) if labels is None else list(labels)
    if len(words) != len(faces):
        raise InputError(f"expected {len(faces)} labels, one per face, got {len(words)}")
    canvas = check_image(pixels).copy()
    unit = _unit(pixels, options)
    colours = _colours(faces)
    for box, colour in zip(faces.boxes.tolist(), colours, strict=True):
        _draw_box(canvas, box, colour, max(1.0, min(unit, (box[2] - box[0]) / 28)))
    if options.landmarks and faces.landmarks is not None:
        for points, box, colour in zip(faces.landmarks, faces.boxes.tolist(), colours, strict=True):
            _draw_points(canvas, points, colour, max(1.0, min(1.6 * unit, (box[2] - box[0]) / 45)))
    return _label_all(canvas, faces.boxes, words, colours, unit)


def drawn_jpeg(picture: Picture, faces: Faces, *, longest: int = 1280, quality: int = 80) -> bytes:
    """A frame with its faces drawn, as JPEG, for a screen.

    Args:
        picture: what was seen.
        faces: boxes in pixels of the original.
        longest: pixels of the longer side at most.
        quality: of the JPEG, 1 to 100.
    """
    width, height = picture.size
    factor = min(longest / max(width, height), 1.0)
    pixels = picture.pixels
    if factor < 1:
        size = (max(round(width * factor), 1), max(round(height * factor), 1))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    drawn = draw_faces(pixels, faces.scaled(picture.scale * factor))
    encoded = cv2.imencode(".jpg", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return bytes(encoded.tobytes())


def contact_sheet(
    tiles: Sequence[Pixels], labels: Sequence[str] | None = None, *, columns: int | None = None, tile_size: int = 160
) -> Pixels:
    """Pictures of any size in a grid, each whole in a square of ``tile_size``, with its label beneath.

    Args:
        tiles: ``(h, w, 3)`` uint8 RGB each.
        labels: one per tile, shortened to fit; None or ``""`` writes none.
        columns: None takes as many as make the sheet a little wider than high.

    Raises:
        InputError: no tiles, or not one label per tile.
    """
    words = [""] * len(tiles) if labels is None else list(labels)
    if not tiles or len(words) != len(tiles):
        raise InputError(
            f"expected one tile at least and a label for each, got {len(tiles)} tiles and {len(words)} labels"
        )
    across = min(len(tiles), columns or math.ceil(math.sqrt(len(tiles) * 1.4)))
    gap, letters = max(4, tile_size // 16), max(11, tile_size // 11)
    line = round(letters * 1.7) if any(words) else 0
    step_x, step_y = tile_size + gap, tile_size + gap + line
    rows = math.ceil(len(tiles) / across)
    sheet = Image.new("RGB", (gap + across * step_x, gap + rows * step_y), "#F4F4F2")
    text = lettering()
    for i, (tile, word) in enumerate(zip(tiles, words, strict=True)):
        x, y = gap + i % across * step_x, gap + i // across * step_y
        sheet.paste(_fitted(tile, tile_size), (x, y))
        shown = text.shortened(word, letters, tile_size)
        centred = x + (tile_size - text.width(shown, letters)) / 2
        text.draw(sheet, (centred, y + tile_size + line * 0.68), shown, size=letters, fill="#222222")
    return np.array(sheet)


def draw_trace(pixels: Pixels, trace: Trace, options: DrawOptions = DrawOptions()) -> Pixels:
    """The picture with every window the detector considered, in the colour of the stage that let it go, and a legend.

    Windows that came further lie on top. The legend stands on a strip added below, so that nothing is hidden.

    Args:
        pixels: ``(H, W, 3)`` uint8 RGB.
        trace: candidates in pixels of this picture (``trace.scaled``).
    """
    unit = _unit(check_image(pixels), options)
    order = list(STAGE_COLOURS)
    by_stage: dict[str, list[Candidate]] = {stage: [] for stage in order}
    for candidate in trace.candidates:
        by_stage[_stage(candidate)].append(candidate)
    canvas = pixels.copy()
    for stage, candidates in by_stage.items():
        layer = canvas.copy()
        for candidate in candidates:
            thickness = 1.4 * unit if stage == "face" else max(1.0, 0.6 * unit)
            _draw_box(layer, candidate.box, STAGE_COLOURS[stage], thickness, halo=stage == "face")
        shown = 1.0 if stage == "face" else _opacity(len(candidates) ** (1.5 if stage == "nms" else 1.0))
        canvas = cv2.addWeighted(layer, shown, canvas, 1 - shown, 0)
    entries = [
        (STAGE_COLOURS[s], f"{_STAGE_WORDS[s]}: {len(by_stage[s])}")
        for s in reversed(order)
        if by_stage[s] or s == "face"
    ]
    return np.vstack([canvas, _legend(pixels.shape[1], entries, unit)])


def _unit(pixels: Pixels, options: DrawOptions) -> float:
    """Width of a line, pixels: 2 in a picture of 800, more in larger ones."""
    return max(1.0, options.scale * math.hypot(*pixels.shape[:2]) / 520)


def _colours(faces: Faces) -> list[str]:
    """By class where nobody was compared with, else by decision."""
    colours = []
    for row in range(len(faces)):
        said = faces.attributes[row] if faces.attributes is not None else ()
        if said and _nobody(faces, row):
            colours.append(CLASS_COLOURS[list(said[0].probabilities).index(said[0].label) % len(CLASS_COLOURS)])
        else:
            colours.append(DECISION_COLOURS["face" if faces.matches is None else faces.matches[row].decision])
    return colours


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _ink(colour: str) -> str:
    """Black or white, whichever stands out more on ``colour`` (relative luminance, WCAG 2.2)."""
    linear = [(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4) for c in (v / 255 for v in _rgb(colour))]
    return "#000000" if 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.179 else "#FFFFFF"


def _draw_box(canvas: Pixels, box: Sequence[float], colour: str, thickness: float, *, halo: bool = True) -> None:
    """A box whose line is seen on any ground: dark outside and inside, ``colour`` between; rounded a little."""
    x1, y1, x2, y2 = (round(v) for v in box)
    radius = min(round(4 * thickness), (x2 - x1) // 4, (y2 - y1) // 4)
    if halo:
        _rounded(canvas, (x1, y1, x2, y2), radius, (20, 20, 20), round(thickness + 2))
    _rounded(canvas, (x1, y1, x2, y2), radius, _rgb(colour), max(1, round(thickness)))


def _rounded(
    canvas: Pixels, box: tuple[int, int, int, int], radius: int, colour: tuple[int, int, int], width: int
) -> None:
    x1, y1, x2, y2 = box[0], box[1], box[2] - 1, box[3] - 1
    r = max(0, radius)
    corners = [((x1 + r, y1 + r), 180), ((x2 - r, y1 + r), 270), ((x2 - r, y2 - r), 0), ((x1 + r, y2 - r), 90)]
    arcs = [cv2.ellipse2Poly(centre, (r, r), 0, start, start + 90, 6) for centre, start in corners]
    cv2.polylines(canvas, [np.concatenate(arcs)], isClosed=True, color=colour, thickness=width, lineType=cv2.LINE_AA)


def _draw_points(canvas: Pixels, points: NDArray[np.float32], colour: str, radius: float) -> None:
    """Dots with a dark rim, placed to a sixteenth of a pixel."""
    for x, y in points.tolist():
        at = round(x * 16), round(y * 16)
        cv2.circle(canvas, at, round((radius + 1) * 16), (20, 20, 20), cv2.FILLED, cv2.LINE_AA, 4)
        cv2.circle(canvas, at, round(radius * 16), (255, 255, 255), cv2.FILLED, cv2.LINE_AA, 4)
        cv2.circle(canvas, at, round(radius * 0.55 * 16), _rgb(colour), cv2.FILLED, cv2.LINE_AA, 4)


def _label_all(canvas: Pixels, boxes: NDArray[np.float32], words: list[str], colours: list[str], unit: float) -> Pixels:
    """Labels placed one after the other, largest face first, each where it covers least of faces and other labels."""
    picture = Image.fromarray(canvas)
    text = lettering()
    taken: list[Box] = []
    for i in np.argsort(boxes[:, 0] - boxes[:, 2], kind="stable").tolist():
        if not words[i]:
            continue
        box = boxes[i].tolist()
        letters = round(min(max(0.13 * (box[2] - box[0]), 6.5 * unit, 11), 12 * unit + 4))
        shown = text.shortened(words[i], letters, picture.width - 2 * letters)
        width, height = text.width(shown, letters) + letters, round(letters * 1.55)
        others = [b for j, b in enumerate(boxes.tolist()) if j != i]
        x, y = _place(box, (width, height), picture.size, others, taken)
        taken.append((x, y, x + width, y + height))
        _plate(picture, (x, y), (width, height), colours[i])
        text.draw(picture, (x + letters / 2, y + height * 0.74), shown, size=letters, fill=_ink(colours[i]))
    return np.array(picture)


def _place(
    box: list[float], size: tuple[int, int], picture: tuple[int, int], faces: list[list[float]], labels: list[Box]
) -> tuple[int, int]:
    """Top left corner of a label: above, below, beside or inside its box; the first of the least covered places."""
    (w, h), (x1, y1, x2, y2) = size, box
    places = [
        (x1, y1 - h - 2),
        (x2 - w, y1 - h - 2),
        (x1, y2 + 2),
        (x2 - w, y2 + 2),
        (x2 + 2, y1),
        (x1 - w - 2, y1),
        (x1, y2 - h),
        (x1, y1),
    ]

    def inside(at: tuple[float, float]) -> tuple[int, int]:
        return round(min(max(at[0], 0), max(picture[0] - w, 0))), round(min(max(at[1], 0), max(picture[1] - h, 0)))

    def covers(at: tuple[int, int]) -> float:
        here = at[0], at[1], at[0] + w, at[1] + h
        own = 1.5 * _shared(here, (x1, y1, x2, y2))
        return own + sum(_shared(here, tuple(f)) for f in faces) + 4 * sum(_shared(here, t) for t in labels)

    return min(map(inside, places), key=covers)


def _shared(a: Sequence[float], b: Sequence[float]) -> float:
    """Area that two boxes share, pixels."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _plate(picture: Image.Image, at: tuple[int, int], size: tuple[int, int], colour: str) -> None:
    """A filled plate with smooth round corners, drawn four times as large and averaged down."""
    width, height = size
    mask = Image.new("L", (width * 4, height * 4), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, width * 4 - 1, height * 4 - 1), radius=height * 0.9, fill=235)
    picture.paste(colour, (*at, at[0] + width, at[1] + height), mask.resize(size, Image.Resampling.BOX))


def _fitted(tile: Pixels, side: int) -> Image.Image:
    """The whole tile in the middle of a square, scaled to touch its sides."""
    height, width = check_image(tile).shape[:2]
    scale = side / max(height, width)
    to = max(1, round(width * scale)), max(1, round(height * scale))
    scaled = cv2.resize(tile, to, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    square = Image.new("RGB", (side, side), "#DEDEDA")
    square.paste(Image.fromarray(scaled), ((side - to[0]) // 2, (side - to[1]) // 2))
    return square


def _stage(candidate: Candidate) -> str:
    """The stage whose colour a candidate has: the one that let it go."""
    stage = candidate.stage if candidate.reason is None else candidate.reason.stage
    return stage if stage in STAGE_COLOURS else "gate"


def _opacity(count: float) -> float:
    """How strongly ``count`` windows of one stage are drawn: few strongly, thousands faintly."""
    return min(1.0, max(0.18, 1.15 - 0.25 * math.log10(max(count, 1))))


def _legend(width: int, entries: list[tuple[str, str]], unit: float) -> Pixels:
    """A strip as wide as the picture: a swatch and words for each entry, wrapped into lines."""
    text: Lettering = lettering()
    letters = max(11, round(6 * unit))
    lines: list[list[tuple[str, str, int]]] = [[]]
    room = width - letters
    for colour, words in entries:
        shown = text.shortened(words, letters, width - 4 * letters)
        taken = text.width(shown, letters) + 3 * letters
        if lines[-1] and taken > room:
            lines.append([])
            room = width - letters
        lines[-1].append((colour, shown, taken))
        room -= taken
    height = round(letters * 1.9)
    strip = Image.new("RGB", (width, height * len(lines) + letters // 2), "#1E1E1E")
    for row, line in enumerate(lines):
        x, baseline = letters, row * height + round(letters * 1.5)
        for colour, words, taken in line:
            ImageDraw.Draw(strip).rectangle(
                (x, baseline - letters * 3 // 4, x + letters * 3 // 4, baseline), fill=colour
            )
            text.draw(strip, (x + letters * 1.2, baseline), words, size=letters, fill="#F0F0F0")
            x += taken
    return np.array(strip)
