"""Pictures of every kind come in upright, in colour and in 8 bits, or are refused in one clear line."""

import hashlib
import io
import os
import resource
import struct
import subprocess
import sys
import threading
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from mien.core.errors import ImageError, MissingExtraError
from mien.media import decoders
from mien.media.images import ReadOptions, decode_image, printable, read_image, write_image, write_whole

CARD = np.zeros((96, 160, 3), np.uint8)
"""Wider than high, another colour in each corner: red, green, blue, white (clockwise from the top left)."""
CARD[:48, :80], CARD[:48, 80:], CARD[48:, 80:], CARD[48:, :80] = (220, 20, 20), (20, 200, 20), (20, 20, 220), (240,) * 3

STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}
"""How an upright picture is stored under each EXIF orientation."""


def encoded(pixels, kind, *, mode=None, **settings):
    """The bytes of a file of ``kind`` that Pillow writes."""
    out = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    (image.convert(mode) if mode else image).save(out, kind, **settings)
    return out.getvalue()


def exif(orientation):
    """EXIF data that hold the orientation and nothing else."""
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def assert_close(pixels, expected, tolerance=12):
    assert pixels.shape == expected.shape
    assert pixels.dtype == np.uint8
    difference = np.abs(pixels.astype(int) - expected)
    inner = difference.reshape(-1, 3)
    assert np.quantile(inner, 0.95) <= tolerance  # the seams of the card blur in JPEG


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "JPEG/2", "JPEG/4", "JPEG/8", "JPEG grey", "PNG", "WebP", "TIFF"])
def test_orientation_is_applied_exactly_once(kind, orientation):
    """The card stands upright whatever way it was stored, in every format and at every reduction."""
    stored = STORED[orientation](CARD)
    name, _, reduced = kind.partition("/")
    settings = {"quality": 95, "subsampling": 0} if name == "JPEG" else {"lossless": True} if name == "WebP" else {}
    mode = "L" if "grey" in kind else None
    data = encoded(stored, name.split()[0], mode=mode, exif=exif(orientation), **settings)
    factor = int(reduced or 1)
    options = ReadOptions(min_face=20 * factor if factor > 1 else None, reduce_above=0)
    picture = decode_image(data, options=options)
    expected = cv2.cvtColor(cv2.cvtColor(CARD, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) if mode else CARD
    assert_close(picture.pixels, expected[::factor, ::factor])
    assert picture.scale == 1 / factor
    assert picture.original_size == (160, 96)


LOSSLESS = {
    "PNG": {"kind": "PNG"},
    "WebP": {"kind": "WebP", "lossless": True},
    "GIF": {"kind": "GIF"},
    "BMP": {"kind": "BMP"},
    "PPM": {"kind": "PPM"},
    "TIFF": {"kind": "TIFF"},
    "TIFF with LZW": {"kind": "TIFF", "compression": "tiff_lzw"},
}


@pytest.mark.parametrize("how", LOSSLESS.values(), ids=LOSSLESS)
def test_lossless_formats_keep_every_pixel(how):
    """A card of few colours comes back as it was."""
    assert_close(decode_image(encoded(CARD, **how)).pixels, CARD, tolerance=0)


def test_palettes():
    """A picture stored with a palette comes in with its colours."""
    quantised = Image.fromarray(CARD).quantize(16)
    out = io.BytesIO()
    quantised.save(out, "PNG")
    assert_close(decode_image(out.getvalue()).pixels, np.asarray(quantised.convert("RGB")), tolerance=0)
    assert_close(decode_image(out.getvalue()).pixels, CARD, tolerance=4)


@pytest.mark.parametrize("mode", ["CMYK", "L", "RGB"])
@pytest.mark.parametrize("progressive", [False, True])
def test_colour_spaces_of_jpeg(mode, progressive):
    """Grey, colour and Adobe's inverted CMYK, baseline and progressive, come in as the same picture."""
    data = encoded(CARD, "JPEG", mode=mode, quality=95, subsampling=0, progressive=progressive)
    assert (b"Adobe" in data) == (mode == "CMYK")
    expected = np.asarray(Image.fromarray(CARD).convert(mode).convert("RGB"))
    assert_close(decode_image(data).pixels, expected)


def test_cmyk_is_reduced_too():
    """A CMYK JPEG follows the same rule for scaled decode."""
    data = encoded(CARD, "JPEG", mode="CMYK", quality=95)
    picture = decode_image(data, options=ReadOptions(min_face=80, reduce_above=0))
    assert_close(picture.pixels, CARD[::4, ::4], tolerance=25)
    assert picture.scale == 0.25


def png(pixels, depth, colour):
    """A PNG of any bit depth, written by hand: ``pixels`` are ``(H, W, channels)`` of the depth's range."""
    height, width = pixels.shape[:2]
    rows = pixels.astype(">u2" if depth == 16 else "u1").reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


GREY16 = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)


def test_16_bits_are_scaled_not_cut_off():
    """A ramp over all of 16 bits becomes a ramp over all of 8: grey and colour PNG, grey TIFF of both byte orders."""
    ramp = np.arange(256, dtype=int).reshape(16, 16)
    colour = np.stack([GREY16, GREY16[::-1], GREY16.T], -1)
    out = io.BytesIO()
    Image.fromarray(GREY16).save(out, "TIFF")
    big_endian = cv2.imencode(".tiff", GREY16)[1].tobytes()
    for data in (png(GREY16[..., None], 16, 0), out.getvalue(), big_endian):
        assert np.array_equal(decode_image(data).pixels, np.stack([ramp] * 3, -1))
    assert np.abs(decode_image(png(colour, 16, 2)).pixels.astype(int) - colour / 257).max() <= 1
    tiff = cv2.imencode(".tiff", colour[..., ::-1])[1].tobytes()
    assert np.abs(decode_image(tiff).pixels.astype(int) - colour / 257).max() <= 1


def test_float_pixels_are_refused():
    """A TIFF of floats has no white to scale by: it is refused, with the remedy."""
    with pytest.raises(ImageError, match="8 or 16 bits"):
        decode_image(encoded(np.ones((4, 4), np.float32), "TIFF"))


@pytest.mark.parametrize("kind", ["PNG", "WebP", "TIFF"])
def test_transparency_is_laid_over_white(kind):
    """What is transparent becomes white, what is half transparent half white, whatever colour lies hidden there."""
    rgba = np.dstack([np.full((8, 9, 3), 40, np.uint8), np.full((8, 9), 255, np.uint8)])
    rgba[:4, :, 3] = 0
    rgba[4:6, :, 3] = 128
    pixels = decode_image(encoded(rgba, kind, **({"lossless": True, "exact": True} if kind == "WebP" else {}))).pixels
    assert (pixels[:4] == 255).all()
    assert (np.abs(pixels[4:6].astype(int) - 147) <= 1).all()
    assert (pixels[6:] == 40).all()


def test_transparent_palette_and_grey_with_alpha():
    """A palette with a transparent entry and grey with alpha are laid over white, without a warning."""
    palette = Image.fromarray(CARD).convert("P")
    palette.info["transparency"] = bytes([0] * palette.getpixel((0, 0))) + b"\0"
    out = io.BytesIO()
    palette.save(out, "PNG", transparency=palette.getpixel((0, 0)))
    assert tuple(decode_image(out.getvalue()).pixels[0, 0]) == (255, 255, 255)
    grey = np.dstack([np.full((3, 3), 9, np.uint8), np.zeros((3, 3), np.uint8)])
    assert (decode_image(png(grey, 8, 4)).pixels == 255).all()


@pytest.mark.parametrize("kind", ["GIF", "WebP", "PNG", "TIFF"])
def test_first_frame_of_many(kind):
    """Of an animation or a file of several pages the first is taken."""
    out = io.BytesIO()
    first, second = Image.fromarray(CARD), Image.fromarray(CARD[::-1].copy())
    first.save(
        out, kind, save_all=True, append_images=[second, first], **({"lossless": True} if kind == "WebP" else {})
    )
    assert_close(decode_image(out.getvalue()).pixels, CARD, tolerance=2)


def test_heic(tmp_path):
    """HEIC is read, rotated once, when pillow-heif is there."""
    heif = pytest.importorskip("pillow_heif")
    for orientation in (1, 6):
        image = Image.fromarray(np.ascontiguousarray(STORED[orientation](CARD)))
        heif.from_pillow(image).save(tmp_path / "a.heic", quality=90, exif=exif(orientation))
        assert_close(read_image(tmp_path / "a.heic").pixels, CARD, tolerance=20)


def test_heic_without_its_extra(monkeypatch):
    """Without pillow-heif the exact pip command is the answer."""
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MissingExtraError, match=r'pip install "mien\[heic\]"'):
        decode_image(b"\0\0\0\x18ftypheic" + bytes(64))


@pytest.mark.parametrize(
    ("min_face", "detector_min", "factor"),
    [
        (None, 20, 1),
        (20, 20, 1),
        (39, 20, 1),
        (40, 20, 2),
        (80, 20, 4),
        (159, 20, 4),
        (160, 20, 8),
        (999, 20, 8),
        (160, 112, 1),
    ],
)
def test_scaled_decode_keeps_the_smallest_face_findable(min_face, detector_min, factor):
    """The reduction is the largest of 1, 2, 4, 8 that leaves the smallest wanted face its pixels."""
    options = ReadOptions(min_face=min_face, detector_min=detector_min, reduce_above=0)
    picture = decode_image(encoded(CARD, "JPEG"), options=options)
    assert picture.scale == 1 / factor
    assert picture.size == (160 // factor, 96 // factor)


def test_small_pictures_and_other_formats_are_never_reduced():
    """Below ``reduce_above`` megapixels, and outside JPEG, every picture is decoded whole."""
    assert decode_image(encoded(CARD, "JPEG"), options=ReadOptions(min_face=200)).scale == 1
    assert decode_image(encoded(CARD, "PNG"), options=ReadOptions(min_face=200, reduce_above=0)).scale == 1


def test_the_digest_is_that_of_the_file(tmp_path):
    """``sha256`` is what sha256sum prints, and ``source`` the path as given."""
    path = tmp_path / "card.png"
    write_image(path, CARD)
    picture = read_image(path)
    assert picture.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert picture.source == str(path)
    assert_close(picture.pixels, CARD, tolerance=0)


def decompression_bomb() -> bytes:
    """A valid PNG of 30,000 × 30,000 black pixels, 1 bit each: 110 KB that would become 2.7 GB."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(3751) * 1000) for _ in range(30)) + packer.flush()
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch):
    """30,000 × 30,000 pixels are refused by the header with value, limit and setting, and take no memory."""
    bomb = decompression_bomb()
    assert len(bomb) < 200_000
    monkeypatch.setattr("mien.media.images.decode", lambda *_: pytest.fail("it was decoded"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(
        ImageError, match=r"30000 × 30000 are 900\.0 megapixels, more than the 100 allowed.*--max-megapixels"
    ):
        decode_image(bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KB


def test_grey_and_plain_anymaps_are_read(tmp_path):
    """The .pgm of old face sets: grey of 8 and 16 bits, with a comment, in binary and in letters; and a bitmap."""
    grey = bytes(range(0, 240, 20))
    wide = b"".join(struct.pack(">H", 257 * value) for value in grey)
    letters = " ".join(map(str, grey)).encode()
    heads = {b"P5\n# taken in 1992\n4 3\n255\n": grey, b"P5\n4 3\n65535\n": wide, b"P2\n4 3\n255\n": letters}
    expected = np.repeat(np.frombuffer(grey, np.uint8).reshape(3, 4, 1), 3, axis=2)
    for head, body in heads.items():
        (tmp_path / "1.pgm").write_bytes(head + body)
        np.testing.assert_array_equal(read_image(tmp_path / "1.pgm").pixels, expected)
    bitmap = decode_image(b"P4\n8 1\n\x0f").pixels
    assert bitmap[0, :, 0].tolist() == [255] * 4 + [0] * 4
    with pytest.raises(ImageError, match="no picture by its content"):
        decode_image(b"P5: a memo")


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "BMP", "PPM", "TIFF", "WebP"])
def test_the_limit_holds_for_every_format(kind):
    """Every format is measured by its header."""
    with pytest.raises(ImageError, match=r"160 × 96 are 0\.0 megapixels, more than the 0\.01 allowed"):
        decode_image(encoded(CARD, kind), options=ReadOptions(max_megapixels=0.01))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "GIF", "BMP", "PPM", "TIFF"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_truncated_files_are_refused(kind, share, astronaut, capfd):
    """A file that stops early is refused in one line, and no decoder prints a word."""
    data = encoded(astronaut[:256, :256], kind)
    with pytest.raises(ImageError, match=r"early|no picture") as refusal:
        decode_image(data[: int(len(data) * share)], source="cut")
    assert "\n" not in str(refusal.value)
    assert capfd.readouterr() == ("", "")


def test_a_truncated_jpeg_is_refused_at_every_reduction(astronaut, capfd):
    """The missing end is noticed in reduced, progressive and CMYK decoding too, and when only two bytes are missing."""
    for settings in ({}, {"progressive": True}, {"mode": "CMYK"}, {"mode": "L"}):
        data = encoded(astronaut, "JPEG", **settings)
        for min_face in (None, 40, 160):
            for end in (len(data) // 2, len(data) - 2):
                if end == len(data) - 2 and settings.get("mode") == "CMYK":
                    continue  # every pixel is there, and Pillow reads it
                with pytest.raises(ImageError, match="early") as refusal:
                    decode_image(data[:end], options=ReadOptions(min_face=min_face, reduce_above=0))
                assert ("the file is truncated" in str(refusal.value)) == (settings.get("mode") != "CMYK")
    assert capfd.readouterr() == ("", "")


def test_harmless_faults_are_read_in_silence(astronaut, capfd):
    """Stray bytes in a JPEG and a wrong colour profile in a PNG, which libraries grumble about, are read without a word."""
    data = encoded(astronaut, "JPEG", quality=95)
    stray = data.replace(b"\xff\xda", b"\0\0\0\xff\xda", 1)
    assert_close(decode_image(stray).pixels, astronaut, tolerance=16)
    assert decode_image(stray, options=ReadOptions(min_face=40, reduce_above=0)).size == (256, 256)
    assert_close(decode_image(encoded(CARD, "PNG", icc_profile=b"rubbish" * 30)).pixels, CARD, tolerance=0)
    broken_exif = encoded(CARD, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f" + bytes(20))
    assert_close(decode_image(broken_exif).pixels, CARD, tolerance=0)
    assert capfd.readouterr() == ("", "")


def damaged(data, seed):
    """``data`` with a few bytes changed, most often near the start, and sometimes cut."""
    rng = np.random.default_rng(seed)
    out = bytearray(data)
    for i in rng.integers(0, len(out) if seed % 2 else min(400, len(out)), rng.integers(1, 6)):
        out[i] = rng.integers(0, 256)
    return bytes(out[: rng.integers(1, len(out))] if seed % 5 == 0 else out)


DAMAGED = {
    "JPEG": {"kind": "JPEG"},
    "progressive JPEG": {"kind": "JPEG", "progressive": True},
    "CMYK": {"kind": "JPEG", "mode": "CMYK"},
    "PNG": {"kind": "PNG"},
    "WebP": {"kind": "WebP"},
    "GIF": {"kind": "GIF"},
    "BMP": {"kind": "BMP"},
    "TIFF": {"kind": "TIFF", "exif": exif(6)},
    "TIFF with LZW": {"kind": "TIFF", "compression": "tiff_lzw"},
    "TIFF with JPEG": {"kind": "TIFF", "compression": "jpeg"},
}


@pytest.mark.parametrize("how", DAMAGED.values(), ids=DAMAGED)
def test_damaged_bytes_give_a_picture_or_one_clear_line(how, astronaut, capfd):
    """Whatever bytes are changed: a picture or an error of ours on one line; no other error, no warning, nothing printed."""
    data = encoded(astronaut[50:150, 180:280], **how)
    refusals = []
    for seed in range(60):
        try:
            decode_image(damaged(data, seed))
        except ImageError as refusal:
            refusals.append(str(refusal))
    assert refusals
    assert all(words.isprintable() for words in refusals)
    assert capfd.readouterr() == ("", "")


RUBBISH = {
    "empty": (b"", "the file is empty"),
    "text": (b"Dear Ada,\nplease find attached", "no picture by its content"),
    "PDF": (b"%PDF-1.7\n...", "a PDF"),
    "only a signature": (b"\xff\xd8\xff", "ends early"),
    "PNG signature": (b"\x89PNG\r\n\x1a\n", "ends early"),
}


@pytest.mark.parametrize(("data", "why"), RUBBISH.values(), ids=RUBBISH)
def test_what_is_no_picture(tmp_path, data, why):
    """A file that is no picture, though it is called .jpg, is refused for its content."""
    path = tmp_path / "holiday.jpg"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=f"cannot read .*holiday.jpg: .*{why}"):
        read_image(path)


def test_one_pixel_is_a_picture():
    """A 1 × 1 picture is read; that it holds no face is the detector's to say."""
    for kind in ("PNG", "JPEG", "GIF", "WebP", "BMP", "PPM", "TIFF"):
        assert decode_image(encoded(CARD[:1, :1], kind)).size == (1, 1)


def test_names_tell_nothing(tmp_path):
    """A JPEG called .png is read all the same."""
    path = tmp_path / "card.png"
    path.write_bytes(encoded(CARD, "JPEG"))
    assert read_image(path).size == (160, 96)


def refused(path):
    """The words with which a path is refused; always one line."""
    with pytest.raises(ImageError) as refusal:
        read_image(path)
    assert str(refusal.value).isprintable()
    return str(refusal.value)


def test_paths_that_lead_nowhere(tmp_path):
    """A missing file, a directory, dangling and circular links, a pipe and impossible names each have their line."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "dangling").symlink_to(tmp_path / "gone.jpg")
    os.mkfifo(tmp_path / "pipe")
    assert "there is no such file" in refused(tmp_path / "none.jpg")
    assert "it is a directory" in refused(tmp_path)
    assert "its links lead in a circle" in refused(tmp_path / "loop")
    assert "gone.jpg, which is not there" in refused(tmp_path / "dangling")
    assert "not a regular file" in refused(tmp_path / "pipe")
    assert "the name is too long" in refused(tmp_path / ("x" * 300))
    assert "no file can have this name" in refused("a\0b")
    (tmp_path / "file").touch()
    assert "a part of the path is a file" in refused(tmp_path / "file" / "x.jpg")


def test_no_permission(tmp_path, monkeypatch):
    """A file that may not be opened is refused with that reason."""
    path = tmp_path / "secret.jpg"
    path.write_bytes(encoded(CARD, "JPEG"))
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read everything

        def deny(*_):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr("mien.media.images._open_without_waiting", deny)
    assert refused(path).endswith("secret.jpg: no permission")


def test_strange_names_are_read_and_shown_on_one_line(tmp_path):
    """Names that are no UTF-8 or hold a newline work, and errors show them with escapes."""
    for raw, shown in ((b"caf\xe9.png", r"caf\xe9.png"), (b"zwei\nZeilen.png", r"zwei\nZeilen.png")):
        path = tmp_path / os.fsdecode(raw)
        path.write_bytes(encoded(CARD, "PNG"))
        assert read_image(path).size == (160, 96)
        path.write_bytes(b"")
        assert shown in refused(path)
    assert printable("Đức Nguyễn.jpg") == "Đức Nguyễn.jpg"
    assert printable("a\u202eb\x1b[31m") == "a\\u202eb\\x1b[31m"


def test_a_file_that_is_no_picture_is_not_read_to_its_end(tmp_path):
    """Of a terabyte that does not begin like a picture only the head is read."""
    path = tmp_path / "film.jpg"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert "no picture by its content" in refused(path)


@pytest.mark.parametrize("name", ["a.png", "b.JPG", "c.webp"])
def test_written_pictures_come_back(tmp_path, name, astronaut):
    """What is written is read again: PNG exactly, the others closely."""
    write_image(tmp_path / name, astronaut)
    assert_close(read_image(tmp_path / name).pixels, astronaut, tolerance=0 if name == "a.png" else 12)
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def test_writing_leaves_all_or_nothing(tmp_path, monkeypatch):
    """When the disk is full the old picture stays, no rest is left, and the error says so."""
    path = tmp_path / "a.png"
    write_image(path, CARD)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)  # the last step: all bytes are written beside it
    with pytest.raises(ImageError, match="the disk is full"):
        write_image(path, CARD[::-1])
    assert_close(read_image(path).pixels, CARD, tolerance=0)
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_with_the_file(tmp_path, monkeypatch):
    """The system does not say which file had no room; the error does, and nothing is left of it."""

    def full(_path, _data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match=r"No space left on device: .*run\.json"):
        write_whole(tmp_path / "run.json", b"{}")
    assert list(tmp_path.iterdir()) == []


def test_writing_refuses_what_it_cannot_do(tmp_path):
    """An unknown ending, a folder that is not there and an array that is no picture are errors."""
    with pytest.raises(ImageError, match=r"expected an ending of .png.*got '.gif'"):
        write_image(tmp_path / "a.gif", CARD)
    with pytest.raises(ImageError, match="its folder is not there"):
        write_image(tmp_path / "none" / "a.png", CARD)
    with pytest.raises(ImageError, match="uint8"):
        write_image(tmp_path / "a.png", CARD.astype(float))


def test_threads_may_read_together(tmp_path):
    """Many threads reading at once get the same pictures, and the warning filters stay as they were."""
    import warnings

    data = [encoded(CARD, kind) for kind in ("PNG", "JPEG", "TIFF", "GIF") for _ in range(10)]
    before = list(warnings.filters)
    results = []
    threads = [threading.Thread(target=lambda d=d: results.append(decode_image(d).size)) for d in data]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [(160, 96)] * len(data)
    assert warnings.filters == before


def test_import_is_lean():
    """Reading pictures loads neither pillow-heif nor anything of the other rooms."""
    code = "import sys, mien.media.images; print([m for m in sys.modules if m.startswith(('pillow_heif', 'onnx', 'mien.'))])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pillow_heif" not in loaded
    assert "onnx" not in loaded
    assert decoders.__name__ in loaded


@pytest.mark.parametrize(("name", "shape"), [("a.webp", (4, 16_384, 3)), ("a.JPG", (65_501, 4, 3))])
def test_a_picture_too_long_for_its_format_is_said_and_not_written(tmp_path, capfd, name, shape):
    """JPEG and WebP have limits: one line that names the one that was met, and no broken file."""
    with pytest.raises(ImageError, match=rf"{name}: .* pixels, the format holds \d+ on a side; write .png"):
        write_image(tmp_path / name, np.zeros(shape, np.uint8))
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
