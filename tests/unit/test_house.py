"""The rules of the house that an import contract cannot hold."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import mien

SOURCE = Path(mien.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
MODULES = sorted(m.name for m in pkgutil.walk_packages([str(SOURCE)], "mien.") if "migrations" not in m.name)


def loaded_by(code: str) -> set[str]:
    """Top-level packages in memory after ``code`` ran in a fresh process."""
    told = "import sys; " + code + "; print(*{name.partition('.')[0] for name in sys.modules})"
    return set(subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout.split())


def test_importing_mien_loads_no_other_library():
    """The library's door costs nothing until a name is used."""
    assert not loaded_by("import mien") & {"numpy", "cv2", "onnxruntime", "typer", "sqlalchemy", "pydantic", "PIL"}


def test_help_needs_typer_and_rich_only():
    """`mien --help` answers at once: no numpy, no OpenCV, no runtime, no database."""
    heavy = {"numpy", "cv2", "onnxruntime", "onnx", "sqlalchemy", "alembic", "pydantic", "PIL", "matplotlib", "scipy"}
    assert not loaded_by("import mien.doors.cli.app") & heavy


def test_detect_opens_no_database(tmp_path, cache_dir, monkeypatch):
    """`mien detect` runs without SQLAlchemy, scikit-learn and matplotlib."""
    monkeypatch.setenv("MIEN_CACHE_DIR", str(cache_dir))
    monkeypatch.setenv("MIEN_DATA_DIR", str(tmp_path))
    code = "import numpy as np, mien; mien.detector().detect(np.zeros((64, 64, 3), np.uint8))"
    loaded_by(code)  # in a new cache the first run converts the weights, and needs onnx for that
    assert not loaded_by(code) & {"sqlalchemy", "alembic", "sklearn", "matplotlib", "scipy", "onnx"}


@pytest.mark.parametrize("name", MODULES)
def test_every_module_lists_what_it_offers(name):
    """`__all__` exists wherever there is something public, and every name in it is there."""
    module = importlib.import_module(name)
    offered = getattr(module, "__all__", None)
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    public = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }
    if offered is None:
        assert not public, f"{name} has public names and no __all__"
        return
    assert sorted(set(offered)) == sorted(offered)
    assert all(hasattr(module, n) for n in offered)


def test_every_public_name_of_the_door_loads():
    """`mien.X` works for every X in `__all__`, dir() tells them, an unknown one is an AttributeError."""
    assert set(mien.__all__) == set(mien._HOME)
    assert all(getattr(mien, name) is not None for name in mien.__all__)
    assert set(mien.__all__) <= set(dir(mien))
    with pytest.raises(AttributeError, match="no attribute 'Fases'"):
        _ = mien.Fases


def test_a_name_in_a_string_is_imported_in_one_place_only():
    """import_module hides an import from the contracts; only the library's door may use it."""
    users = {f.relative_to(SOURCE).as_posix() for f in FILES if "import_module" in f.read_text(encoding="utf-8")}
    assert users == {"__init__.py"}


def test_no_room_imports_the_door():
    """Rooms import rooms (`from mien.core.faces import Faces`), never `mien` itself."""
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.Import) and any(a.name == "mien" for a in node.names)), file
            assert not (isinstance(node, ast.ImportFrom) and node.module == "mien"), file


def test_no_room_is_a_box_for_everything():
    """A helper lives in the room of its subject."""
    assert not {p.stem for p in SOURCE.rglob("*")} & {"utils", "util", "common", "helpers", "misc"}


def test_files_and_functions_stay_readable():
    """A file of more than 400 lines or a function of more than 60 wants to be two; a command's options are not counted."""
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 400, f"{file.name} is too long"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                first = node.body[0] if "typer.Option" in ast.unparse(node.args) else node
                assert node.end_lineno - first.lineno <= 60, f"{file.name}:{node.name} is too long"
