"""Whatever is done to a gallery, it agrees with a simple model of it."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mien.core.errors import DuplicateError, InputError
from mien.core.vectors import unit
from mien.store.gallery import open_gallery
from mien.store.names import clean_name, name_key
from tests.fakes.gallery import SPACE, make_template, same_template

finite = st.floats(-1e6, 1e6, width=32)
unit_vectors = st.lists(finite, min_size=16, max_size=16).filter(lambda v: 1e-3 < np.linalg.norm(v) < 1e7)
boxes = st.tuples(finite, finite, st.floats(1, 1e4, width=32), st.floats(1, 1e4, width=32)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
templates = st.builds(
    lambda vector, box, source, quality: make_template(
        0, embedding=unit(np.array([vector]))[0], box=box, source=source, quality=quality, photo_sha256=""
    ),
    unit_vectors,
    boxes,
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), finite, max_size=3),
)


@settings(max_examples=12, deadline=None)
@given(st.lists(templates, max_size=4))
def test_round_trip(given_templates):
    """Any templates come back as they were, from the gallery and through an export into another one."""
    with tempfile.TemporaryDirectory() as folder, open_gallery(Path(folder) / "one.db") as one:
        one.add("Ada", given_templates)
        read = one.templates("Ada")
        assert all(same_template(a, b, given_only=True) for a, b in zip(given_templates, read, strict=True))
        with open_gallery(Path(folder) / "two.db") as two:
            two.import_(one.export(Path(folder) / "export.npz"))
            assert all(same_template(a, b) for a, b in zip(read, two.templates(), strict=True))


class GalleryAgreesWithModel(RuleBasedStateMachine):
    """Enrol, rename, merge and remove in any order; the model is a dictionary of names and seeds by id."""

    names = st.sampled_from(["Ada", "ADA", "Bob", "Đức", "Straße", "STRASSE", "Zoë", "Zoe\u0308"])
    pick = st.integers(0, 10**6)

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.gallery = open_gallery(Path(self.folder.name) / "gallery.db")
        self.model: dict[str, tuple[str, set[str]]] = {}
        self.former: dict[str, str] = {}

    def teardown(self):
        self.gallery.close()
        self.folder.cleanup()

    def someone(self, pick):
        return sorted(self.model)[pick % len(self.model)]

    def id_of(self, name):
        return next((i for i, (known, _) in self.model.items() if name_key(known) == name_key(name)), None)

    @rule(name=names, seed=st.integers(0, 5))
    def enroll(self, name, seed):
        known = self.id_of(name)
        template = make_template(seed)
        if known and template.source in self.model[known][1]:
            try:
                self.gallery.add(name, [template])
            except DuplicateError:
                return
            raise AssertionError("the same face went in twice")
        person, _ = self.gallery.add(name, [template])
        assert known in {None, person.id}
        _, seeds = self.model.setdefault(person.id, (clean_name(name), set()))
        seeds.add(template.source)

    @precondition(lambda self: self.model)
    @rule(pick=pick, name=names)
    def rename(self, pick, name):
        who = self.someone(pick)
        if self.id_of(name) not in {None, who}:
            try:
                self.gallery.rename(who, name)
            except DuplicateError:
                return
            raise AssertionError("two people have one name")
        self.gallery.rename(who, name)
        self.model[who] = (clean_name(name), self.model[who][1])

    @precondition(lambda self: self.model)
    @rule(keep=pick, gone=pick)
    def merge(self, keep, gone):
        keep, gone = self.someone(keep), self.someone(gone)
        if keep == gone:
            try:
                self.gallery.merge(keep, gone)
            except InputError:
                return
            raise AssertionError("somebody was merged with themselves")
        self.gallery.merge(keep, gone)
        self.model[keep][1].update(self.model.pop(gone)[1])
        self.former = {old: keep if new == gone else new for old, new in self.former.items()} | {gone: keep}

    @precondition(lambda self: self.model)
    @rule(pick=pick)
    def remove(self, pick):
        who = self.someone(pick)
        assert self.gallery.remove(who).verified
        del self.model[who]
        self.former = {old: new for old, new in self.former.items() if new != who}

    @invariant()
    def agrees(self):
        people = {p.id: (p.name, p.templates) for p in self.gallery.people()}
        assert people == {i: (name, len(seeds)) for i, (name, seeds) in self.model.items()}
        vectors, of_owner, owners = self.gallery.vectors(SPACE)
        assert len(vectors) == len(of_owner) == sum(len(seeds) for _, seeds in self.model.values())
        assert {p.id for p in owners} == {i for i, (_, seeds) in self.model.items() if seeds}
        assert all(self.gallery.person(old).id == new for old, new in self.former.items())


TestGalleryAgreesWithModel = GalleryAgreesWithModel.TestCase
TestGalleryAgreesWithModel.settings = settings(max_examples=6, stateful_step_count=12, deadline=None)
