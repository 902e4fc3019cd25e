"""Archives arrive whole over a real connection: cut off, resumed, changed, forged or booby-trapped; never outside their folder."""

import hashlib
import io
import json
import tarfile
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mien.core.errors import InputError
from mien.datasets.fetching import fetch_archive, unpack
from mien.datasets.sources import SOURCES, Archive, data_source


def _zip(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return out.getvalue()


def _tgz(files, link=None):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as packed:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
        if link:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc"
            packed.addfile(info)
    return out.getvalue()


class Server:
    """A local server with one file, that can break off and knows what it was asked."""

    def __init__(self):
        self.data, self.cut, self.version, self.asked, self.status = b"", None, '"one"', [], None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append((self.path, self.headers.get("Range")))
                if outer.status:
                    self.send_error(outer.status)
                    return
                data, start = outer.data, 0
                if self.headers.get("Range") and self.headers.get("If-Range", outer.version) == outer.version:
                    start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
                    if start >= len(data):
                        self.send_error(416)
                        return
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(data) - start))
                self.send_header("ETag", outer.version)
                self.end_headers()
                self.wfile.write(data[start : outer.cut])

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def archive(server):
    """A zip of two pictures, as the server has it, with its real digest."""
    server.data = _zip({"set/a/1.jpg": bytes(range(256)) * 800, "set/b/2.jpg": b"two"})
    digest = f"sha256:{hashlib.sha256(server.data).hexdigest()}"
    return Archive(f"{server.url}/set.zip", "set.zip", 0.2, digest, holds="set/*/*.jpg", least=2)


def test_fetched_checked_unpacked_once(server, archive, tmp_path):
    """The pictures are there, the archive is gone, it is written down, and a second run asks the server nothing."""
    told = []
    said = fetch_archive(archive, tmp_path, progress=lambda done, total: told.append((done, total)))
    assert said == "digest as published"
    assert (tmp_path / "set" / "b" / "2.jpg").read_bytes() == b"two"
    assert told[-1] == (len(server.data), len(server.data))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fetched.json", "set"]
    assert json.loads((tmp_path / "fetched.json").read_text())["set.zip"]["bytes"] == len(server.data)
    assert fetch_archive(archive, tmp_path) == "is there already"
    assert len(server.asked) == 1


def test_cut_in_the_middle_and_resumed(server, archive, tmp_path):
    """Broken off: said with bytes; run again: only the rest is asked for and the file is whole."""
    server.data = _zip({"set/a/1.jpg": bytes(range(256)) * 4000, "set/b/2.jpg": b"two"})
    archive = replace(archive, digest=f"sha256:{hashlib.sha256(server.data).hexdigest()}")
    server.cut = 600_000
    with pytest.raises(InputError, match=r"600,000 bytes are kept, run it again"):
        fetch_archive(archive, tmp_path)
    server.cut = None
    fetch_archive(archive, tmp_path)
    assert [asked for _, asked in server.asked] == [None, "bytes=600000-"]
    assert (tmp_path / "set" / "a" / "1.jpg").read_bytes() == bytes(range(256)) * 4000


def test_a_file_that_changed_meanwhile_is_sent_anew(server, archive, tmp_path):
    """The part is of another version: it is thrown away, not glued to the new one."""
    server.cut = 1000
    with pytest.raises(InputError):
        fetch_archive(archive, tmp_path)
    server.cut, server.version = None, '"two"'
    server.data = _zip({"set/a/1.jpg": b"new", "set/b/2.jpg": b"new"})
    fetch_archive(replace(archive, digest=f"sha256:{hashlib.sha256(server.data).hexdigest()}"), tmp_path)
    assert (tmp_path / "set" / "a" / "1.jpg").read_bytes() == b"new"


def test_broken_off_after_the_last_byte(server, archive, tmp_path):
    """A part that is whole already needs no byte more."""
    (tmp_path / "set.zip.part").write_bytes(server.data)
    (tmp_path / "set.zip.part.tag").write_text('"one"')
    assert fetch_archive(archive, tmp_path) == "digest as published"


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_a_wrong_digest_is_refused_and_kept_aside(archive, tmp_path, kind):
    """Another file than the published one is never unpacked; it stays for a look."""
    with pytest.raises(InputError, match=rf"not the file expected: {kind} .* published is 000.*kept aside"):
        fetch_archive(replace(archive, digest=f"{kind}:{'0' * 64}"), tmp_path)
    assert (tmp_path / "set.zip.refused").is_file()
    assert not (tmp_path / "set").exists()
    assert not (tmp_path / "set.zip.part").exists()


def test_without_a_published_digest_the_first_download_counts(server, archive, tmp_path):
    """The first is trusted and written down; another file later is refused."""
    archive = replace(archive, digest="")
    assert "no digest is published" in fetch_archive(archive, tmp_path)
    (tmp_path / "set" / "b" / "2.jpg").unlink()
    assert "no digest is published" in fetch_archive(archive, tmp_path)
    (tmp_path / "set" / "b" / "2.jpg").unlink()
    server.data = _zip({"set/a/1.jpg": b"forged", "set/b/2.jpg": b"forged"})
    with pytest.raises(InputError, match="the first time it was"):
        fetch_archive(archive, tmp_path)


def test_no_network(archive, tmp_path):
    """Nobody answers: one clear line with the address."""
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:9/set\.zip could not be fetched.*is there a network"):
        fetch_archive(replace(archive, url="http://127.0.0.1:9/set.zip"), tmp_path)


def test_the_server_says_no(server, archive, tmp_path):
    """404 is told with its address; other protocols are not spoken."""
    server.status = 404
    with pytest.raises(InputError, match="answers 404"):
        fetch_archive(archive, tmp_path)
    with pytest.raises(InputError, match="begins with http"):
        fetch_archive(replace(archive, url="file:///etc/passwd"), tmp_path)


def test_a_mirror_with_the_same_digest(server, archive, tmp_path):
    """--mirror changes the address alone."""
    fetch_archive(replace(archive, url="http://127.0.0.1:9/gone"), tmp_path, mirror=f"{server.url}/here/")
    assert server.asked[0][0] == "/here/set.zip"


def test_what_an_archive_should_hold(archive, tmp_path):
    """An archive without the pictures it is known for is told, and not called complete."""
    with pytest.raises(InputError, match=r"lacks what it should hold \(5 of set"):
        fetch_archive(replace(archive, least=5), tmp_path)
    assert not (tmp_path / "fetched.json").exists()


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (_zip({"../outside.txt": b"x"}), "a.zip", "leads outside"),
        (_zip({"/outside.txt": b"x"}), "a.zip", "leads outside"),
        (_zip({"..\\outside.txt": b"x"}), "a.zip", "leads outside"),
        (_tgz({"in.txt": b"x", "../outside.txt": b"x"}), "a.tgz", "leads outside"),
        (_tgz({"in.txt": b"x"}, link="way"), "a.tgz", "a link or device"),
        (_zip({"a.txt": b"x" * 999})[:-40], "a.zip", "cannot be unpacked"),
        (_tgz({"a.txt": bytes(range(256)) * 99})[:-60], "a.tgz", "cannot be unpacked"),
        (b"<html>sign in first</html>", "a.tgz", "cannot be unpacked"),
    ],
)
def test_bad_archives_leave_nothing(tmp_path, data, kind, words):
    """Paths that lead outside, links and damage: refused, and not one file of the archive is left."""
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(InputError, match=words):
        unpack(tmp_path / "file", tmp_path / "in" / "deep", kind=kind)
    assert not list((tmp_path / "in" / "deep").iterdir())
    assert not list(tmp_path.rglob("outside.txt"))


def test_what_is_there_is_filled_up(tmp_path):
    """Two archives of one folder meet in it."""
    for number in (1, 2):
        (tmp_path / "file").write_bytes(_tgz({f"set/x/{number}.jpg": b"x"}))
        unpack(tmp_path / "file", tmp_path / "dst", kind="a.tgz")
    assert sorted(path.name for path in (tmp_path / "dst" / "set" / "x").iterdir()) == ["1.jpg", "2.jpg"]


def test_the_known_sources():
    """Every digest has the length of its kind, every address is http or https, terms are there; others are refused."""
    for source in SOURCES:
        assert source.terms
        for archive in source.archives:
            kind, _, digest = archive.digest.partition(":")
            assert len(digest) == {"sha256": 64, "md5": 32, "": 0}[kind]
            assert archive.url.startswith(("http://", "https://"))
    with pytest.raises(InputError, match="known are wider, lfw, fddb"):
        data_source("celeba")
