"""Everything in one file, and back on another machine."""

import json
import zipfile

import pytest


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """From now on this is another machine: another home, other settings, nothing in it."""

    def move(name: str = "elsewhere"):
        there = tmp_path / name
        there.mkdir()
        monkeypatch.setenv("MIEN_DATA_DIR", str(there / "data"))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(there / "config"))
        monkeypatch.chdir(there)
        return there

    return move


def taught(mien, photo, home):
    """A home with one person, a session with a mark, settings, and a model of its own."""
    assert mien("enroll", "Ada", photo("ada.png")).code == 0
    assert mien("attendance", "session", "add", "Door", "--zone", "UTC", "--day").code == 0
    (home / "roster.csv").write_text("name\nAda\n")
    assert mien("attendance", "roster", "import", "roster.csv", "--session", "Door").code == 0
    assert mien("attendance", "mark", "Door", "Ada", "--reason", "was there").code == 0
    (home / "config" / "mien").mkdir(parents=True)
    (home / "config" / "mien" / "mien.toml").write_text("min_face = 33\n")
    (home / "data" / "models").mkdir(exist_ok=True)
    (home / "data" / "models" / "note.txt").write_text("mine")


def test_a_backup_is_restored_on_another_machine(mien, photo, home, elsewhere):
    """People are recognised, marks stand, settings and models are there; the file says what is in it."""
    taught(mien, photo, home)
    assert mien("backup", "all.zip").code == 0
    before = mien("attendance", "report", "Door", "--json").json()["entries"]
    there = elsewhere()
    restored = mien("restore", home / "all.zip", "--json")
    assert restored.code == 0, restored.err
    assert restored.json()[0]["people"] == 1
    assert mien("who", home / "ada.png", "--json").json()[0]["faces"][0]["match"]["name"] == "Ada"
    assert mien("attendance", "report", "Door", "--json").json()["entries"] == before
    assert (there / "config" / "mien" / "mien.toml").read_text() == "min_face = 33\n"
    assert (there / "data" / "models" / "note.txt").read_text() == "mine"


def test_people_who_are_there_are_replaced_only_when_asked_and_set_aside(mien, photo, home, elsewhere):
    """Without --replace nothing changes; with it the copy that is kept knows who was there, and removal reaches it."""
    taught(mien, photo, home)
    mien("backup", "all.zip")
    there = elsewhere()
    mien("enroll", "Bob", home / "ada.png")
    refused = mien("restore", home / "all.zip")
    assert refused.code == 1
    assert "--replace" in refused.err
    assert [p["name"] for p in mien("people", "list", "--json").json()] == ["Bob"]
    assert mien("restore", home / "all.zip", "--replace").code == 0
    assert [p["name"] for p in mien("people", "list", "--json").json()] == ["Ada"]
    (aside,) = (there / "data").glob("mien.db.before-restore-*.bak")
    assert [p["name"] for p in mien("people", "list", "--database", aside, "--json").json()] == ["Bob"]


def test_a_damaged_file_changes_nothing(mien, photo, home, elsewhere):
    """A backup with one byte of its gallery altered, or cut short, or none at all, is refused in one line."""
    taught(mien, photo, home)
    mien("backup", "all.zip")
    with zipfile.ZipFile("all.zip") as whole, zipfile.ZipFile("altered.zip", "w") as altered:
        for name in whole.namelist():
            data = bytearray(whole.read(name))
            if name == "gallery.db":
                data[len(data) // 2] ^= 1
            altered.writestr(name, bytes(data))
    (home / "short.zip").write_bytes((home / "all.zip").read_bytes()[:5000])
    (home / "none.zip").write_bytes(b"no backup")
    there = elsewhere()
    for name, said in (("altered", "altered or damaged"), ("short", "no backup"), ("none", "no backup")):
        refused = mien("restore", home / f"{name}.zip")
        assert refused.code == 1
        assert said in refused.err
        assert refused.err.count("\n") == 1
    assert not (there / "data" / "mien.db").exists()


def test_a_member_that_leads_outside_is_written_nowhere(mien, photo, home, elsewhere):
    """A backup made by hand cannot write beside the models folder."""
    taught(mien, photo, home)
    mien("backup", "all.zip")
    import hashlib

    with zipfile.ZipFile("all.zip") as whole, zipfile.ZipFile("evil.zip", "w") as evil:
        about = json.loads(whole.read("manifest.json"))
        about["files"]["models/../../../evil.txt"] = hashlib.sha256(b"evil").hexdigest()
        evil.writestr("manifest.json", json.dumps(about))
        evil.writestr("models/../../../evil.txt", b"evil")
        for name in whole.namelist():
            if name != "manifest.json":
                evil.writestr(name, whole.read(name))
    elsewhere()
    assert mien("restore", home / "evil.zip").code == 0
    assert not list(home.rglob("evil.txt"))


def test_a_backup_is_never_overwritten(mien, photo, home):
    """A file that is there is kept, and the command says so."""
    taught(mien, photo, home)
    assert mien("backup", "all.zip").code == 0
    again = mien("backup", "all.zip")
    assert again.code == 1
    assert "there already" in again.err


def test_a_gallery_of_an_older_version_is_backed_up_as_it_is(mien, home):
    """Backing up needs no upgrade of what is backed up; a file that is no gallery is refused in one line."""
    import sqlite3

    old = home / "old.db"
    with sqlite3.connect(old) as connection:
        connection.execute("CREATE TABLE people (id TEXT)")
        connection.execute("INSERT INTO people VALUES ('a')")
    connection.close()
    assert mien("backup", "old.zip", "--database", old, "--json").json()[0]["people"] == 1
    (home / "text.db").write_text("no database " * 200)
    refused = mien("backup", "text.zip", "--database", home / "text.db")
    assert refused.code == 1
    assert refused.err.count("\n") == 1
    assert not (home / "text.zip").exists()
