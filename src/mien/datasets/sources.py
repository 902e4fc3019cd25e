"""Where WIDER FACE, LFW and FDDB come from, on what terms, and what is known of their files.

A digest stands here only where somebody else publishes it and it could be read there: scikit-learn (LFW, sha256) and
torchvision (WIDER FACE, md5). None is published for FDDB: the first download is trusted and its sha256 written down.
"""

from __future__ import annotations

from dataclasses import dataclass

from mien.core.errors import InputError

__all__ = ["SOURCES", "Archive", "DataSource", "data_source"]


@dataclass(frozen=True, slots=True)
class Archive:
    """One file to fetch.

    Args:
        url: http or https.
        name: of the file on disk.
        megabytes: about how large, for people; nothing is checked by it.
        digest: ``sha256:…`` or ``md5:…`` as published; empty where nobody publishes one.
        into: folder below the target that it is unpacked into; ``""`` is the target. None leaves the file as it is.
        holds: pattern of files below the target that must be there afterwards.
        least: how many of them.
    """

    url: str
    name: str
    megabytes: float
    digest: str = ""
    into: str | None = ""
    holds: str = ""
    least: int = 1


@dataclass(frozen=True, slots=True)
class DataSource:
    """One data set.

    Args:
        name: as the user types it.
        title: what it is, in a line.
        terms: on what terms its authors give it; shown before anything is fetched.
        page: where its authors describe it.
        archives: its files.
    """

    name: str
    title: str
    terms: str
    page: str
    archives: tuple[Archive, ...]


_HUB = "https://huggingface.co/datasets/wider_face/resolve/main/data"
_FIGSHARE = "https://ndownloader.figshare.com/files"
_UMASS = "http://vis-www.cs.umass.edu/fddb"

SOURCES = (
    DataSource(
        name="wider",
        title="WIDER FACE, training and validation pictures with boxes",
        terms="For research; the pictures belong to their photographers and no licence for other use is given. Cite Yang et"
        " al., WIDER FACE: A Face Detection Benchmark, CVPR 2016.",
        page="http://shuoyang1213.me/WIDERFACE/",
        archives=(
            Archive(
                f"{_HUB}/wider_face_split.zip",
                "wider_face_split.zip",
                3.6,
                "md5:0e3767bcf0e326556d407bf5bff5d27c",
                holds="wider_face_split/wider_face_*.mat",
                least=2,
            ),
            Archive(
                f"{_HUB}/WIDER_val.zip",
                "WIDER_val.zip",
                363,
                "md5:dfa7d7e790efa35df3788964cf0bbaea",
                holds="WIDER_val/images/*/*.jpg",
                least=3226,
            ),
            Archive(
                f"{_HUB}/WIDER_train.zip",
                "WIDER_train.zip",
                1466,
                "md5:3fedf70df600953d25982bcd13d91ba2",
                holds="WIDER_train/images/*/*.jpg",
                least=12880,
            ),
        ),
    ),
    DataSource(
        name="lfw",
        title="Labeled Faces in the Wild, the original 250 × 250 pictures and the official pairs",
        terms="For research on face verification; press photographs whose rights stay with their owners, people who were not"
        " asked. Not for commercial use. Cite Huang et al., University of Massachusetts TR 07-49, 2007.",
        page="http://vis-www.cs.umass.edu/lfw/",
        archives=(
            Archive(
                f"{_FIGSHARE}/5976006",
                "pairs.txt",
                0.2,
                "sha256:ea42330c62c92989f9d7c03237ed5d591365e89b3e649747777b70e692dc1592",
                into=None,
                holds="pairs.txt",
            ),
            Archive(
                f"{_FIGSHARE}/5976018",
                "lfw.tgz",
                180,
                "sha256:055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0",
                holds="lfw/*/*.jpg",
                least=13233,
            ),
        ),
    ),
    DataSource(
        name="fddb",
        title="FDDB, pictures and ellipses of 5,171 faces",
        terms="For research; its authors state no licence, the pictures are press photographs of their owners. Cite Jain and"
        " Learned-Miller, University of Massachusetts TR UM-CS-2010-009.",
        page="http://vis-www.cs.umass.edu/fddb/",
        archives=(
            Archive(f"{_UMASS}/FDDB-folds.tgz", "FDDB-folds.tgz", 1, holds="FDDB-folds/*ellipseList.txt", least=10),
            Archive(
                f"{_UMASS}/originalPics.tar.gz",
                "originalPics.tar.gz",
                550,
                into="originalPics",
                holds="originalPics/200[23]/*/*/big/*.jpg",
                least=2845,
            ),
        ),
    ),
)


def data_source(name: str) -> DataSource:
    """A data set by its name.

    Raises:
        InputError: none of that name.
    """
    found = next((source for source in SOURCES if source.name == name), None)
    if found is None:
        raise InputError(f"no data set {name!r} to fetch; known are {', '.join(source.name for source in SOURCES)}")
    return found
