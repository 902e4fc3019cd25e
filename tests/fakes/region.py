"""A small region detector, trained on photographs that every machine has: scikit-image's astronaut and pictures without faces."""

from functools import cache
from pathlib import Path

import numpy as np

from mien.media.images import write_image

FACE = (180, 65, 268, 173)
"""The astronaut's face in her photograph, x1, y1, x2, y2."""
_OTHERS = ("coffee", "chelsea", "rocket")


def write_marked(folder: Path) -> Path:
    """Photographs of the astronaut, mirrored, brighter, grey, and of other things; returns the file of boxes."""
    from skimage import data

    astronaut = np.ascontiguousarray(data.astronaut())
    width = astronaut.shape[1]
    mirrored = (width - FACE[2], FACE[1], width - FACE[0], FACE[3])
    grey = astronaut.mean(axis=2, keepdims=True).astype(np.uint8).repeat(3, axis=2)
    darker = (astronaut * 0.7).astype(np.uint8)
    faces = {
        "plain": (astronaut, FACE),
        "mirrored": (astronaut[:, ::-1], mirrored),
        "grey": (grey, FACE),
        "darker": (darker[:, ::-1], mirrored),
    }
    lines = ["file,x1,y1,x2,y2"]
    folder.mkdir(parents=True, exist_ok=True)
    for name, (pixels, box) in faces.items():
        write_image(folder / f"{name}.png", np.ascontiguousarray(pixels))
        lines.append(f"{name}.png,{','.join(map(str, box))}")
    file = folder / "boxes.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


@cache
def astronaut_network() -> bytes:
    """The fully convolutional form, as ONNX, of a classifier that knows the astronaut; a few seconds to train."""
    from skimage import data

    from mien.core.geometry import iou
    from mien.media.crops import crop_context
    from mien.training.fitting import start
    from mien.training.region_networks import region_classifier, region_onnx, weights_of
    from mien.training.samples import squares

    keras = start(0, threads=1)
    draw = np.random.default_rng(0)
    astronaut = np.ascontiguousarray(data.astronaut())
    (face,) = squares(np.array([FACE], np.float32))
    side = face[2] - face[0]
    near = np.array([_window(face, draw.uniform(-0.1, 0.1, 2), side * draw.uniform(0.85, 1.15)) for _ in range(120)])
    far = np.array([_anywhere(astronaut.shape, draw) for _ in range(500)])
    far = far[iou(far, face[None]).max(axis=1) < 0.3]
    positive, negative = (crop_context(astronaut, w, size=32, context=0) for w in (near, far))
    others = [
        crop_context(p, np.array([_anywhere(p.shape, draw) for _ in range(40)]), size=32, context=0)
        for p in (np.ascontiguousarray(getattr(data, name)()) for name in _OTHERS)
    ]
    flat = np.repeat(draw.integers(0, 256, (30, 1, 1, 3)), 32 * 32, axis=1).reshape(30, 32, 32, 3).astype(np.uint8)
    negative = np.concatenate([negative, *others, flat])
    chips = np.concatenate([positive, positive[:, :, ::-1], negative])
    chips[::3] = chips[::3].mean(axis=3, keepdims=True).astype(np.uint8)
    targets = np.repeat([1, 0], [2 * len(positive), len(negative)])
    model = region_classifier(dropout=0.2)
    model.compile(keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy")
    model.fit(chips.astype(np.float32), targets, batch_size=32, epochs=4, verbose=0)
    return region_onnx(weights_of(model))


def _window(face, shift, side):
    centre = (face[:2] + face[2:]) / 2 + shift * side
    return np.concatenate([centre - side / 2, centre + side / 2]).astype(np.float32)


def _anywhere(shape, draw):
    side = np.exp(draw.uniform(np.log(20), np.log(min(shape[:2]))))
    corner = draw.uniform(0, np.array([shape[1], shape[0]]) - side)
    return np.concatenate([corner, corner + side]).astype(np.float32)
