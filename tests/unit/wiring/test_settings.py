"""Settings: one order of precedence, and errors that name what was typed."""

import pytest

from mien.core.errors import SettingError
from mien.wiring.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    """No settings of the machine reach these tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in Settings.model_fields:
        monkeypatch.delenv(f"MIEN_{name.upper()}", raising=False)
    monkeypatch.delenv("MIEN_CONFIG", raising=False)


def test_a_preset_sets_what_nobody_else_said(monkeypatch):
    """The preset chooses the embedder; environment and arguments go before it."""
    assert load_settings(preset="fast").embedder == "dlib"
    assert load_settings(preset="fast", embedder="facenet").embedder == "facenet"
    monkeypatch.setenv("MIEN_PRESET", "accurate")
    assert load_settings().embedder == "facenet+dlib"
    assert load_settings(preset="fast").embedder == "dlib"


def test_the_nearest_settings_file_counts(tmp_path, monkeypatch):
    """./mien.toml is read; MIEN_CONFIG names another one in its place."""
    (tmp_path / "mien.toml").write_text('min_face = 30\npreset = "fast"\n')
    assert (load_settings().min_face, load_settings().embedder) == (30, "dlib")
    (tmp_path / "other.toml").write_text("min_face = 31\n")
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path / "other.toml"))
    assert (load_settings().min_face, load_settings().embedder) == (31, "facenet")


def test_broken_toml_is_said_with_the_files_name(tmp_path):
    """A syntax error in the file is one line with its place."""
    (tmp_path / "mien.toml").write_text("min_face = = 3\n")
    with pytest.raises(SettingError, match=r"mien.toml: no valid TOML"):
        load_settings()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"min_face": 1}, r"min_face \(--min-face\) is 1: input should be greater than or equal to 4"),
        ({"threshold": 4.0}, r"threshold \(--threshold\) is 4.0"),
        ({"gpu_memory_fraction": 2.0}, r"gpu_memory_fraction \(--gpu-memory-fraction\) is 2.0"),
        ({"treshold": 0.5}, r"unknown setting 'treshold'; did you mean threshold\?"),
        ({"mtcnn_mode": "exact"}, r"mtcnn_mode \(--mtcnn-mode\) is 'exact'"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_option(given, words):
    """Setting, option, value and expectation in one line."""
    with pytest.raises(SettingError, match=words) as caught:
        load_settings(**given)
    assert "\n" not in str(caught.value)


def test_none_means_not_said():
    """An option that was not typed leaves the setting to the next source."""
    assert load_settings(min_face=None).min_face == 20


def test_the_gallery_lies_in_the_data_folder_unless_named(tmp_path):
    """Database and models_dir follow data_dir until they are given."""
    settings = load_settings(data_dir=tmp_path)
    assert settings.database_url == str(tmp_path / "mien.db")
    assert settings.models_folder == tmp_path / "models"
    assert load_settings(data_dir=tmp_path, database="x.db").database_url == "x.db"


def test_a_settings_file_that_is_named_must_be_there(monkeypatch):
    """A misspelt MIEN_CONFIG is an error, not all defaults in silence."""
    monkeypatch.setenv("MIEN_CONFIG", "typo.toml")
    with pytest.raises(SettingError, match=r"MIEN_CONFIG is 'typo.toml'"):
        load_settings()


def test_a_settings_file_that_is_no_utf8_is_said_with_its_name(tmp_path):
    """A file saved in another encoding is one line, not a traceback."""
    (tmp_path / "mien.toml").write_bytes(b"min_face = 30  # gr\xf6\xdfer\n")
    with pytest.raises(SettingError, match=r"mien.toml: no valid TOML"):
        load_settings()


def test_a_tilde_is_the_home(tmp_path, monkeypatch):
    """In a file or the environment no shell expands it; no folder called ~ is made."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MIEN_DATA_DIR", "~/mien")
    (tmp_path / "mien.toml").write_text('models_dir = "~/models"\n')
    settings = load_settings()
    assert settings.data_dir == tmp_path / "mien"
    assert settings.models_folder == tmp_path / "models"
