"""Embeddings to learn people from: what is held against a pack, and which of its faces must stay together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, SettingError, SpaceMismatchError
from mien.core.people import EmbeddingSpace
from mien.core.vectors import check_unit, similarities
from mien.datasets.near_duplicates import joined, video_of
from mien.datasets.packs import Embeddings

__all__ = ["COPY", "Reading", "Samples", "read_samples", "with_strangers"]

LEAST = 3
"""Faces of a person below which nothing can be learnt and checked: two to learn from and one to check with."""

COPY = 0.97
"""Cosine from which two faces count as copies of one picture or neighbouring frames, and stay on one side.

Measured with FaceNet: of 3,689 pairs of one person's photographs in LFW one is as near; of pairs of frames that follow
each other in one session of NUAA one in four is, which chains tie into a few groups; of different sessions none."""

_SAME = 0.9999
"""Cosine from which two faces are the same picture."""

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Reading:
    """How a pack is read.

    Args:
        at_least: people with fewer faces are not learnt but used as strangers; 0 refuses them instead.
        group_by: a regular expression over the pack's files; faces whose first capture (or whole match) agrees stay together.
        tied: more of what belongs together: file -> video or photograph, e.g. from a manifest.
        merge_case: labels that differ in case only are one person.
        allow_leak: go on although the pack's train and test sides share something.

    Raises:
        SettingError: a value outside of its range.
    """

    at_least: int = 0
    group_by: str = ""
    tied: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    merge_case: bool = False
    allow_leak: bool = False

    def __post_init__(self) -> None:
        if self.at_least and self.at_least < LEAST:
            raise SettingError(f"--at-least is {self.at_least}: {LEAST} faces of a person are needed at the least")
        try:
            re.compile(self.group_by)
        except re.error as error:
            raise SettingError(f"--group-by {self.group_by!r} is no regular expression: {error}") from error


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Faces with their people and groups.

    Args:
        vectors: ``(n, d)`` float32 of unit length.
        targets: ``(n,)`` index of the person.
        classes: names of the people, in order.
        groups: ``(n,)`` number of the group; no group is ever divided.
        strangers: ``(m, d)`` faces of people who are not learnt.
        stranger_ids: ``(m,)`` whose they are, a number for each.
        files: ``(n,)`` where each came from, or empty text.
        test: ``(n,)`` True for faces that the pack sets apart for testing.
        space: the embedding space; None in files of others.
        leaks: what the two sides of the pack share, in words; only if that was allowed.
    """

    vectors: NDArray[np.float32]
    targets: Rows
    classes: tuple[str, ...]
    groups: Rows
    strangers: NDArray[np.float32]
    stranger_ids: Rows
    files: tuple[str, ...]
    test: NDArray[np.bool_]
    space: EmbeddingSpace | None
    leaks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.vectors)

    def rows(self, keep: NDArray[np.bool_], people: Rows | None = None) -> Self:
        """Some of the faces; ``people`` are those that stay, whose numbers begin from 0 again."""
        kept = np.arange(len(self.classes)) if people is None else people
        return replace(
            self,
            vectors=self.vectors[keep],
            targets=np.searchsorted(kept, self.targets[keep]),
            classes=tuple(self.classes[i] for i in kept),
            groups=self.groups[keep],
            files=tuple(np.array(self.files, str)[keep].tolist()),
            test=self.test[keep],
        )


def read_samples(pack: Embeddings, reading: Reading = Reading()) -> Samples:
    """Check a pack and say which faces belong together.

    Raises:
        InputError: NaN, vectors of other lengths than one, one person only, too few faces of a person, names that differ
            in case only, one picture under two names, both sides of the pack sharing something.
    """
    _refuse_nan(pack)
    check_unit(pack.embeddings, pack.embeddings.shape[1] if pack.space is None else pack.space.dimensions)
    labels = _labels(pack.labels.tolist(), merge_case=reading.merge_case)
    counts = Counter(labels)
    few = {name: n for name, n in counts.items() if n < max(LEAST, reading.at_least)}
    if few and not reading.at_least:
        shown = ", ".join(f"{name} has {n}" for name, n in sorted(few.items())[:5])
        raise InputError(
            f"{LEAST} faces of each person are needed, {shown}{' …' if len(few) > 5 else ''}: add photographs, or leave"
            f" people with fewer than 5 out and use them as strangers (--at-least 5)"
        )
    known = np.array([name not in few for name in labels], bool)
    classes, targets = np.unique(np.array(labels, str)[known], return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"two people or more are needed to tell them apart, got {', '.join(classes) or 'none'}")
    _refuse_two_names(pack, labels)
    groups = _groups(pack, reading)
    vectors = pack.embeddings.astype(np.float32, copy=False)
    test = (pack.split == "test")[known]
    leaks = _leaks(groups[known], test, pack.files[known].tolist())
    if leaks and not reading.allow_leak:
        raise InputError(
            f"train and test sides share {len(leaks)} groups, e.g. {leaks[0]}: divide anew (mien align --split 0.8, which"
            " keeps videos and copies together), or go on with --allow-leak, which the report will say"
        )
    _refuse_one_group(targets[~test], groups[known][~test], classes.tolist())
    return Samples(
        vectors[known],
        targets.astype(np.intp),
        tuple(str(name) for name in classes),
        groups[known],
        vectors[~known],
        np.unique(np.array(labels, str)[~known], return_inverse=True)[1].astype(np.intp),
        tuple(pack.files[known].tolist()),
        test,
        pack.space,
        tuple(leaks),
    )


def with_strangers(samples: Samples, pack: Embeddings) -> Samples:
    """The samples with more strangers, those of another pack; people who are learnt are no strangers and left out.

    Raises:
        SpaceMismatchError: the strangers were embedded otherwise.
    """
    ours, theirs = (None if s is None else s.id for s in (samples.space, pack.space))
    if ours != theirs:
        raise SpaceMismatchError(
            f"the strangers live in the space {theirs}, the people in {ours}: embed both with the same --embedder"
        )
    check_unit(pack.embeddings, samples.vectors.shape[1])
    known = {name.casefold() for name in samples.classes}
    rows = [i for i, name in enumerate(pack.labels.tolist()) if name.casefold() not in known]
    ids = np.unique(pack.labels[rows], return_inverse=True)[1] + samples.stranger_ids.max(initial=-1) + 1
    return replace(
        samples,
        strangers=np.concatenate([samples.strangers, pack.embeddings[rows].astype(np.float32)]),
        stranger_ids=np.concatenate([samples.stranger_ids, ids.astype(np.intp)]),
    )


def _refuse_nan(pack: Embeddings) -> None:
    bad = np.flatnonzero(~np.isfinite(pack.embeddings).all(axis=1))
    if len(bad):
        raise InputError(
            f"{len(bad)} of {len(pack.embeddings)} vectors hold NaN or infinity, the first is"
            f" {pack.files[bad[0]] or f'row {bad[0]}'}: remove those pictures and embed again (mien embed)"
        )


def _labels(labels: Sequence[str], *, merge_case: bool) -> list[str]:
    """The names; those that differ in case only are one, or an error."""
    spellings: dict[str, Counter[str]] = {}
    for name in labels:
        spellings.setdefault(name.casefold(), Counter())[name] += 1
    several = [sorted(names) for names in spellings.values() if len(names) > 1]
    if several and not merge_case:
        shown = "; ".join(" and ".join(names) for names in several[:5])
        raise InputError(f"names that differ in case only: {shown}; one person? --merge-case; otherwise rename them")
    return [spellings[name.casefold()].most_common(1)[0][0] for name in labels]


def _refuse_two_names(pack: Embeddings, labels: Sequence[str]) -> None:
    """One picture under two names is a mistake that no classifier can learn."""
    for i, j in _near_pairs(pack.embeddings, _SAME):
        if labels[i] != labels[j]:
            raise InputError(
                f"one picture under two names: {labels[i]} ({pack.files[i] or f'row {i}'}) and {labels[j]}"
                f" ({pack.files[j] or f'row {j}'}); remove it from one of them"
            )


def _groups(pack: Embeddings, reading: Reading) -> Rows:
    """Numbers of the groups: near-copies of one person, frames of one video, what the user's pattern or manifest ties."""
    pairs = [(i, j) for i, j in _near_pairs(pack.embeddings, COPY) if pack.labels[i] == pack.labels[j]]
    files = pack.files.tolist()
    for column in _ties(files, reading):
        first: dict[str, int] = {}
        pairs += [(first.setdefault(key, i), i) for i, key in enumerate(column) if key]
    return joined(len(files), pairs)


def _ties(files: Sequence[str], reading: Reading) -> Iterator[list[str]]:
    """Columns of names; whoever agrees in one that is not empty belongs together."""
    yield [_video(file) for file in files]
    yield [reading.tied.get(file, "") for file in files]
    if reading.group_by:
        found = [re.search(reading.group_by, file) for file in files]
        if not any(found):
            raise SettingError(f"--group-by {reading.group_by!r} matches no file of the pack, e.g. {files[0]!r}")
        yield ["" if m is None else m[1] if m.re.groups else m[0] for m in found]


def _video(file: str) -> str:
    """The video that a frame's name tells, with its folder; empty for others."""
    path = PurePosixPath(file)
    video = video_of(path.stem)
    return "" if video is None else f"{path.parent}/{video}"


def _near_pairs(vectors: NDArray[np.float32], least: float) -> Iterator[tuple[int, int]]:
    """Pairs i < j whose cosine is ``least`` or more, row by row: n² numbers are never held."""
    for i in range(len(vectors) - 1):
        near = np.flatnonzero(similarities(vectors[i : i + 1], vectors[i + 1 :])[0] >= least)
        yield from ((i, i + 1 + int(j)) for j in near)


def _leaks(groups: Rows, test: NDArray[np.bool_], files: Sequence[str]) -> list[str]:
    """Groups that lie on both sides of the pack, in words."""
    both = np.intersect1d(groups[test], groups[~test])
    pairs = [(np.flatnonzero((groups == g) & ~test)[0], np.flatnonzero((groups == g) & test)[0]) for g in both]
    return [f"{files[a] or f'row {a}'} (train) and {files[b] or f'row {b}'} (test)" for a, b in pairs]


def _refuse_one_group(targets: Rows, groups: Rows, classes: Sequence[str]) -> None:
    """Somebody whose faces all belong together cannot be learnt and checked on different pictures."""
    alone = [classes[c] for c in range(len(classes)) if len(set(groups[targets == c].tolist())) < 2]
    if alone:
        raise InputError(
            f"all faces of {', '.join(alone[:5])} come from one video or are copies of one photograph: nothing would be left"
            " to check with; add photographs of another occasion"
        )
