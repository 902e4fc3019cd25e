"""Crops as evidence: only of people who allow it, only for so long, and gone with their person."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import update

from mien.core.attendance import Sighting
from mien.core.errors import InputError, NotFoundError
from mien.media.crops import crop_jpegs
from mien.store.gallery import open_gallery
from mien.store.schema import consents, metadata, people

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def jpeg(seed):
    """A crop of noise: no two are alike."""
    image = np.random.default_rng(seed).integers(0, 256, (60, 60, 3), np.uint8)
    return crop_jpegs(image, np.array([[10, 10, 50, 50]], np.float32))[0]


@pytest.fixture
def ada(gallery):
    person = gallery.add("Ada Lovelace", [])[0].id
    gallery.evidence.set_consent(person, allowed=True)
    return person


@pytest.fixture
def bob(gallery):
    return gallery.add("Bob Marley", [])[0].id


def seen(sighting_id, person_id=None, *candidates):
    decision = "match" if person_id else "ambiguous" if candidates else "unknown"
    return Sighting(NOON, "door", decision, person_id, candidates, id=sighting_id)


def keep(gallery, *sightings):
    """Write sightings, each with a crop; ids of those whose crop was kept."""
    crops = {s.id: jpeg(i) for i, s in enumerate(sightings)}
    assert gallery.attendance.append(sightings, crops=crops) == len(sightings)
    kept = {crop.sighting_id for crop in gallery.evidence.crops()}
    assert all(gallery.evidence.crop(i) == crops[i] for i in kept & crops.keys())
    return kept


def test_only_of_people_who_allow_it(gallery, ada, bob):
    """Ada's crop is kept; Bob's, a stranger's and a spoof's are not; a face that may be Bob's needs his word too."""
    spoof = replace(seen("spoof"), decision="spoof")
    sightings = [seen("a", ada), seen("b", bob), seen("?", None), seen("either", None, ada, bob), spoof]
    assert keep(gallery, *sightings) == {"a"}
    assert len(gallery.attendance.sightings()) == 5
    gallery.evidence.set_consent(bob, allowed=True)
    assert keep(gallery, seen("b2", bob), seen("either2", None, ada, bob)) == {"a", "b2", "either2"}
    assert [crop.who for crop in gallery.evidence.crops()] == [
        ("Ada Lovelace",), ("Bob Marley",), ("Ada Lovelace", "Bob Marley"),
    ]  # fmt: skip


def test_the_same_sighting_again_keeps_nothing_new(gallery, ada, bob):
    """A sighting sent again is passed over, and so is its crop, even if consent was given in between."""
    keep(gallery, seen("b", bob))
    gallery.evidence.set_consent(bob, allowed=True)
    assert gallery.attendance.append([seen("b", bob)], crops={"b": jpeg(1)}) == 0
    assert gallery.evidence.crops() == []


@pytest.mark.file
def test_consent_taken_back_takes_the_crops_along(gallery, ada, bob, path):
    """Also those where the face may have been theirs; their bytes are in no file any more."""
    gallery.evidence.set_consent(bob, allowed=True)
    keep(gallery, seen("a", ada), seen("b", bob), seen("either", None, ada, bob))
    crop = gallery.evidence.crop("either")
    assert gallery.evidence.consent("Bob Marley").crops == 2
    gone = gallery.evidence.set_consent(bob, allowed=False)
    assert (gone.crops, gone.notes) == (2, ())
    assert [c.sighting_id for c in gallery.evidence.crops()] == ["a"]
    said = gallery.evidence.consent("Bob Marley")
    assert (said.evidence, said.by, said.crops) == (False, "tester", 0)
    assert [line.action for line in gallery.audit(1)] == ["refuse evidence"]
    files = [path, path.with_name(f"{path.name}-wal")]
    assert not any(crop[len(crop) // 2 :][:32] in file.read_bytes() for file in files if file.exists())


@pytest.mark.parametrize(("who", "left"), [("Ada Lovelace", {"either"}), ("Bob Marley", set()), (None, set())])
def test_an_answer_settles_whose_crop_it_is(gallery, ada, bob, who, left):
    """A crop stays with somebody who allows it; of somebody who no longer does, or of nobody known, it goes."""
    gallery.evidence.set_consent(bob, allowed=True)
    keep(gallery, seen("either", None, ada, bob))
    with gallery._database.writing() as connection:
        connection.execute(update(consents).where(consents.c.person_id == bob).values(evidence=False))
    gallery.attendance.answer(["either"], who)
    assert {c.sighting_id for c in gallery.evidence.crops()} == left


def test_kept_for_so_long_and_no_longer(gallery, ada):
    """A dry run counts and deletes nothing; the purge takes what is older than the day given; the sightings stay."""
    keep(gallery, seen("a", ada))
    size = gallery.evidence.crops()[0].size
    assert size == len(jpeg(0))
    written = gallery._clock.now()
    assert gallery.evidence.purge(written).crops == 0
    later = written + timedelta(seconds=1)
    would = gallery.evidence.purge(later, dry_run=True)
    assert (would.crops, would.bytes, len(gallery.evidence.crops())) == (1, size, 1)
    assert gallery.evidence.purge(later).crops == 1
    assert gallery.evidence.crops() == []
    assert len(gallery.attendance.sightings()) == 1


@pytest.mark.file
def test_a_removed_person_takes_their_crops_along(gallery, ada, bob, path):
    """Named, or a candidate only: the crops are counted, their bytes searched for, and found nowhere."""
    gallery.evidence.set_consent(bob, allowed=True)
    keep(gallery, seen("a", ada), seen("b", bob), seen("either", None, ada, bob))
    crop = gallery.evidence.crop("a")
    receipt = gallery.remove(ada)
    assert (receipt.removed["evidence"], receipt.verified, receipt.traces) == (2, True, ())
    assert [c.sighting_id for c in gallery.evidence.crops()] == ["b"]
    assert len(gallery.attendance.sightings()) == 2
    assert crop[len(crop) // 2 :][:32] not in path.read_bytes()


@pytest.mark.file
def test_the_search_finds_a_crop_that_is_left(gallery, ada, path):
    """Were its bytes still in a file of the gallery, the receipt would say so."""
    keep(gallery, seen("a", ada))
    log = path.with_name(f"{path.name}.before-0009.bak")
    log.write_bytes(b"x" * 1000 + gallery.evidence.crop("a"))
    receipt = gallery.remove(ada)
    assert (receipt.removed["copies"], log.exists()) == (1, False)


def test_merged_people_need_the_word_of_the_one_who_stays(gallery, ada, bob):
    """Ada's crops go when she becomes Bob, who never allowed any; the other way round they stay."""
    keep(gallery, seen("a", ada))
    gallery.merge(bob, ada)
    assert gallery.evidence.crops() == []
    cy = gallery.add("Cy", [])[0].id
    gallery.evidence.set_consent(cy, allowed=True)
    keep(gallery, seen("c", cy))
    gallery.merge(cy, bob)
    assert [c.sighting_id for c in gallery.evidence.crops()] == ["c"]


def test_what_is_no_crop_is_refused(gallery, ada):
    """Neither other bytes nor a whole photograph get in, and their sightings not either."""
    for content in (b"no jpeg", b"\xff\xd8\xff" + bytes(300_000)):
        with pytest.raises(InputError, match="no JPEG of at most"):
            gallery.attendance.append([seen("a", ada)], crops={"a": content})
    assert gallery.attendance.sightings() == []
    with pytest.raises(NotFoundError, match="no crop is kept"):
        gallery.evidence.crop("a")
    keep(gallery, seen("aa", ada), seen("ab", ada))
    with pytest.raises(NotFoundError, match="several crops"):
        gallery.evidence.crop("a")


@pytest.mark.file
def test_a_removal_that_was_not_verified_is_verified_later(gallery, ada, path):
    """While another program reads, the log keeps its pages; once it has gone, the same receipt is verified."""
    gallery.add("Eve", [])
    with open_gallery(path) as other, other._database.reading() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM people").fetchall()
        receipt = gallery.remove(ada)
    assert not receipt.verified
    again = gallery.verify_removal(receipt.ids)
    assert (again.verified, again.person_id, again.time) == (True, ada, receipt.time)
    assert again.removed["people"] == 1
    assert gallery.verify_removal([ada]).verified
    with pytest.raises(NotFoundError, match="removed nobody with this id"):
        gallery.verify_removal(["0" * 36])
    with pytest.raises(InputError, match="Eve is known here"):
        gallery.verify_removal([gallery.person("Eve").id])


def test_everything_that_refers_to_a_person_is_disclosed(gallery, ada, bob):
    """Each table with a column for people has its place; a crop that may be another's is withheld, and that is said."""
    gallery.evidence.set_consent(bob, allowed=True)
    keep(gallery, seen("a", ada), seen("b", bob), seen("either", None, ada, bob))
    told = gallery.disclose("Ada Lovelace")
    for table in metadata.sorted_tables:
        if any(column.references(people.c.id) for column in table.columns):
            assert table.name in told.content
    assert set(told.crops) == {"a"}
    assert list(told.withheld.values()) == [["either"]]
    assert [row["id"] for row in told.content["sightings_perhaps"]] == ["either"]
    assert bob not in json.dumps(told.to_dict())
