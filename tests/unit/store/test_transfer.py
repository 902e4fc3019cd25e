"""Export and import: all of it, or nothing."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.core.errors import InputError, NotFoundError, StoreError
from mien.store.gallery import open_gallery
from mien.store.transfer import read_parcel
from tests.fakes.gallery import OTHER_SPACE, SPACE, make_template, same_template
from tests.unit.store.test_gallery import calibration_of


@pytest.fixture
def other(tmp_path):
    """Another empty gallery."""
    with open_gallery(tmp_path / "other.db") as opened:
        yield opened


@pytest.fixture
def exported(gallery, tmp_path):
    """The export of a gallery with two people, two spaces, a pointer and a calibration."""
    gallery.add("Đức Nguyễn", [make_template(1), make_template(2, OTHER_SPACE)])
    gallery.add("Ada", [make_template(3), make_template(4, photo_sha256="")])
    gallery.add("Countess", [make_template(5)])
    gallery.merge("Ada", "Countess")
    gallery.add("Nobody yet", [])
    gallery.set_calibration(calibration_of(SPACE), ["Ada"])
    gallery.set_active_space(OTHER_SPACE)
    return gallery.export(tmp_path / "people.npz")


def alter(path, change):
    """The export with its manifest changed by ``change``."""
    with np.load(path) as arrays:
        content = dict(arrays)
    manifest = json.loads(content["manifest"].tobytes())
    changed = change(manifest, content)
    content = changed if isinstance(changed, dict) and "manifest" in changed else content
    content["manifest"] = np.frombuffer(json.dumps(manifest).encode(), np.uint8)
    np.savez(path, **content)


def assert_equal(one, two):
    """Two galleries know the same."""
    assert one.people() == two.people()
    pairs = zip(one.templates(), two.templates(), strict=True)
    assert all(same_template(a, b) for a, b in pairs)
    assert one.active_space() == two.active_space()
    assert one.calibration(SPACE) == two.calibration(SPACE)


def test_import_into_an_empty_gallery_gives_the_same(gallery, exported, other):
    """People, ids, times, vectors, pointers, calibrations and the active space survive the journey."""
    done = other.import_(exported)
    assert (done.people, done.templates, done.skipped) == (3, 5, 0)
    assert_equal(gallery, other)
    assert other._database.place != gallery._database.place
    with gallery._database.reading() as connection:
        former = connection.exec_driver_sql("SELECT former_id FROM pointers").scalar_one()
    assert other.person(former).name == "Ada"
    assert other.remove("Ada").removed["calibrations"] == 1


def test_importing_twice_adds_nothing(gallery, exported):
    """What is there already is skipped."""
    done = gallery.import_(exported)
    assert (done.people, done.templates, done.skipped) == (0, 0, 5)
    assert gallery.person("Ada").templates == 3


def test_import_joins_people_of_one_name(gallery, exported, other):
    """A person of the same name is one person afterwards, reachable by both ids, a shared face once."""
    ours, _ = other.add("ada", [make_template(3), make_template(99)])
    theirs = gallery.person("Ada")
    done = other.import_(exported)
    assert (done.people, done.templates, done.skipped) == (2, 4, 1)
    assert other.person(theirs.id) == other.person(ours.id) == other.person("Ada")
    assert other.person("ada").templates == 4


def test_own_names_and_calibrations_are_kept(gallery, exported, other):
    """The same person under another label here keeps it, and so does the calibration made here."""
    other.import_(exported)
    other.rename("Ada", "Countess of Lovelace")
    mine = replace(calibration_of(SPACE), comparisons=7777)
    other.set_calibration(mine)
    other.import_(exported)
    assert other.person(gallery.person("Ada").id).name == "Countess of Lovelace"
    assert other.calibration(SPACE) == mine


@pytest.mark.file
@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda m, _: m.update(format="something"), "upgrade mien"),
        (lambda m, _: m.update(version=2), "upgrade mien"),
        (lambda m, _: m["spaces"][0].update(weights="00"), "was altered"),
        (lambda m, _: m["people"][0].update(name="a\nb"), "control characters"),
        (lambda m, _: m["people"][0].update(id="1"), "expected an id"),
        (lambda m, _: m["people"][0].update(created="2026-01-01T00:00:00"), "zone"),
        (lambda m, _: m["people"].pop(0), "people it does not hold"),
        (lambda m, _: m["templates"][0].update(box_xyxy=[1, 2]), "no export"),
        (lambda m, _: m["templates"][0].update(space=9), "rows"),
        (lambda m, _: m["templates"].append(m["templates"][0]), "rows"),
        (lambda m, _: m["templates"].pop(), "rows"),
        (lambda m, _: m.pop("pointers"), "no export"),
        (lambda _, c: {**c, "vectors_0": c["vectors_0"] * 2}, "unit length"),
        (lambda _, c: {**c, "vectors_0": c["vectors_0"][:, :-1]}, "shape"),
        (lambda _, c: {**c, "vectors_0": c["vectors_0"].astype(np.float64)}, "float32"),
        (lambda _, c: {k: v for k, v in c.items() if k != "vectors_1"}, "no export"),
    ],
)
def test_altered_exports_are_refused_whole(exported, other, change, why):
    """Whatever is wrong in an export, it is named and nothing of it comes in."""
    alter(exported, change)
    with pytest.raises(InputError, match=why):
        other.import_(exported)
    assert (other.people(), other.templates(), other.audit()) == ([], [], [])


def test_a_name_refused_in_the_middle_takes_all_back(exported, other):
    """A person who cannot be taken in stops the import, and those before are not in either."""
    alter(exported, lambda m, _: m["people"][-1].update(name=m["people"][0]["id"][:6]))
    with pytest.raises(InputError, match="abbreviates"):
        other.import_(exported)
    assert other.people() == []


@pytest.mark.file
@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 truncated"])
def test_files_that_are_no_export(tmp_path, other, content):
    """Rubbish is refused with the command that makes the right thing."""
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(InputError, match="no export of a gallery"):
        other.import_(tmp_path / "x.npz")


def test_pickles_are_refused(tmp_path, other):
    """An array of Python objects is never unpickled."""
    np.savez(tmp_path / "x.npz", manifest=np.array([{"a": 1}], object))
    with pytest.raises(InputError, match="allow_pickle"):
        other.import_(tmp_path / "x.npz")


def test_absent_file_and_absent_folder(tmp_path, other):
    """A file that is not there cannot be imported, a folder that is not there not exported to."""
    with pytest.raises(NotFoundError, match=r"x\.npz"):
        other.import_(tmp_path / "x.npz")
    with pytest.raises(StoreError, match="name a folder"):
        other.export(tmp_path / "absent" / "x.npz")


@pytest.mark.file
def test_failed_export_leaves_the_old_one(exported, gallery, monkeypatch):
    """An export that fails half-way leaves the earlier file and nothing beside it."""
    before = exported.read_bytes()

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(StoreError, match="No space left"):
        gallery.export(exported)
    assert exported.read_bytes() == before
    assert not [p for p in exported.parent.iterdir() if p.name.startswith("people.npz") and p != exported]


@pytest.mark.file
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_exports_are_refused_or_read(exported, data):
    """Bytes altered or cut off anywhere, compressed or not: a clear refusal, or what is read is whole."""
    whole = data.draw(st.sampled_from([exported.read_bytes(), compressed(exported)]))
    content = bytearray(whole[: data.draw(st.integers(len(whole) // 2, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = exported.with_name("damaged.npz")
    damaged.write_bytes(content)
    try:
        parcel = read_parcel(damaged)
    except InputError:
        return
    assert (len(parcel.people), len(parcel.templates)) == (3, 5)


def compressed(path):
    """The same export with its arrays compressed, as other writers of ``.npz`` may do it."""
    with np.load(path) as arrays, io.BytesIO() as file:
        np.savez_compressed(file, **arrays)
        return file.getvalue()


def test_what_is_no_npz_is_not_answered_with_advice_to_allow_pickles(gallery, tmp_path):
    """A photograph given as an export: one line that says how to make one."""
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff" + bytes(200))
    with pytest.raises(
        InputError, match=r"a.jpg is no export of a gallery \(File is not a zip file\); make one"
    ) as error:
        gallery.import_(tmp_path / "a.jpg")
    assert "pickle" not in str(error.value)
