"""Settings, read here alone: command line > environment (MIEN_…) > mien.toml > preset > default."""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import AfterValidator, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from mien.core.errors import SettingError

__all__ = ["PRESETS", "Settings", "config_files", "load_settings", "settings_file"]

PRESETS = Path(__file__).with_name("presets.toml")

_PLACES = ("data_dir", "cache_dir")
"""Settings whose defaults are folders of whoever runs the program."""

Share = Annotated[float, Field(ge=0, le=1)]
Cosine = Annotated[float, Field(ge=-1, le=1)]
Positive = Annotated[float, Field(gt=0)]
Place = Annotated[Path, AfterValidator(Path.expanduser)]


class Settings(BaseSettings):
    """Every setting there is. ``min_face`` is ``--min-face``, ``MIEN_MIN_FACE`` and ``min_face`` in mien.toml."""

    model_config = SettingsConfigDict(env_prefix="MIEN_", extra="forbid", frozen=True)

    # where things are
    data_dir: Place = Field(default_factory=lambda: Path(platformdirs.user_data_dir("mien", appauthor=False)))
    cache_dir: Place = Field(default_factory=lambda: Path(platformdirs.user_cache_dir("mien", appauthor=False)))
    models_dir: Place | None = None
    database: str | None = None

    # what is used
    preset: str = "facenet"
    detector: str = "mtcnn"
    weights: str = "mtcnn"
    embedder: str = "facenet"
    provider: str = "cpu"
    gpu_memory_fraction: Share | None = None
    threads: Annotated[int, Field(ge=0)] = 0

    # finding faces
    min_face: Annotated[float, Field(ge=4)] = 20
    max_face: Positive | None = None
    pnet_threshold: Share = 0.6
    rnet_threshold: Share = 0.7
    onet_threshold: Share = 0.7
    score_threshold: Share | None = None
    pyramid_factor: Annotated[float, Field(gt=0.1, lt=1)] = 0.709
    haar_factor: Annotated[float, Field(ge=1.01, le=2)] | None = None
    haar_neighbours: Annotated[int, Field(ge=0)] = 5
    mtcnn_mode: Literal["fast", "parity"] = "fast"
    max_megapixels: Positive = 100
    full_size: bool = False

    # naming people
    identifier: str = "cosine"
    k: Annotated[int, Field(ge=1)] = 5
    strangers: Annotated[int, Field(ge=2)] = 100
    threshold: Cosine | None = None
    margin: Annotated[float, Field(ge=0, le=2)] | None = None
    top: Annotated[int, Field(ge=1)] = 3
    once: bool = True
    search_memory: Positive = 1024
    search_compact_memory: Positive = 8192

    # asking classifiers
    classifier: str = ""
    context: Annotated[float, Field(ge=0, le=10)] | None = None

    # telling living faces from pictures of faces
    liveness: Literal["off", "challenge", "passive"] = "off"
    liveness_turns: Annotated[int, Field(ge=1, le=8)] = 2
    liveness_model: str = "minifasnet"
    liveness_threshold: Share = 0.18

    # evidence of sightings
    evidence: bool = False
    evidence_days: Annotated[float, Field(gt=0, le=36500)] = 30

    # learning people
    keep_photos: bool = False
    min_size: Annotated[float, Field(ge=0)] = 40
    min_sharpness: Annotated[float, Field(ge=0)] = 30
    darkest: Share = 0.12
    brightest: Share = 0.92
    min_contrast: Share = 0.05
    max_yaw: Annotated[float, Field(ge=0, le=180)] = 40
    max_roll: Annotated[float, Field(ge=0, le=180)] = 60

    # serving others (mien serve)
    serve_host: str = "127.0.0.1"
    serve_port: Annotated[int, Field(ge=0, le=65535)] = 8000
    serve_workers: Annotated[int, Field(ge=1, le=64)] = 1
    serve_inference: Annotated[int, Field(ge=0, le=256)] = 0
    serve_queue: Annotated[int, Field(ge=0, le=10_000)] = 32
    serve_batch: Annotated[int, Field(ge=1, le=256)] = 1
    serve_live: Annotated[int, Field(ge=0, le=1000)] = 8
    serve_max_mb: Positive = 32
    serve_upload_seconds: Positive = 30
    serve_rate: Annotated[float, Field(ge=0)] = 0
    serve_origins: str = ""
    serve_proxies: str = "127.0.0.1"

    def says(self, name: str) -> bool:
        """Whether anybody gave this setting: the command line, the environment, a file, or a preset that was asked for."""
        return name in self.model_fields_set

    def on_this_machine(self) -> Settings:
        """The settings of another machine with the folders of this one, where nobody said which."""
        here = {n: Settings.model_fields[n].get_default(call_default_factory=True) for n in _PLACES if not self.says(n)}
        return self.model_copy(update=here)

    @property
    def models_folder(self) -> Path:
        """Where a user's own models lie."""
        return self.models_dir or self.data_dir / "models"

    @property
    def database_url(self) -> str:
        """The gallery: a path or a database URL."""
        return self.database or str(self.data_dir / "mien.db")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The order of precedence, first wins."""
        files = [TomlConfigSettingsSource(settings_cls, toml_file=f) for f in config_files()]
        return (init_settings, env_settings, _UrlSource(settings_cls), *files, _PresetSource(settings_cls))


class _UrlSource(PydanticBaseSettingsSource):
    """``MIEN_DATABASE_URL``, as servers are used to be told where their database is; the same as ``MIEN_DATABASE``."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - pydantic's
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        url = os.environ.get("MIEN_DATABASE_URL")
        return {"database": url} if url else {}


class _PresetSource(PydanticBaseSettingsSource):
    """The values of the preset that the sources before this one have chosen."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - pydantic's
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        presets = tomllib.loads(PRESETS.read_text(encoding="utf-8"))
        name = self.current_state.get("preset", Settings.model_fields["preset"].default)
        if name not in presets:
            raise SettingError(f"preset {name!r} is unknown; choose one of {', '.join(sorted(presets))}")
        if "preset" not in self.current_state:  # nobody asked for one: the defaults are its values
            return {}
        chosen: dict[str, Any] = presets[name]
        return chosen


def config_files() -> list[Path]:
    """The settings files that are there, the nearest first: MIEN_CONFIG alone, or ./mien.toml, then the user's.

    Raises:
        SettingError: MIEN_CONFIG names no file.
    """
    if os.environ.get("MIEN_CONFIG"):
        named = Path(os.environ["MIEN_CONFIG"]).expanduser()
        if not named.is_file():
            raise SettingError(f"MIEN_CONFIG is {str(named)!r}: there is no such file; correct or unset it")
        return [named]
    return [f for f in (Path("mien.toml"), _user_file()) if f.is_file()]


def settings_file() -> Path:
    """The settings file that is in force, the nearest if there are two; where one belongs if there is none."""
    return next(iter(config_files()), _user_file())


def _user_file() -> Path:
    return Path(platformdirs.user_config_dir("mien", appauthor=False)) / "mien.toml"


def load_settings(**given: Any) -> Settings:
    """The settings in force; ``given`` are those of the command line or of the caller, None meaning not said.

    Raises:
        SettingError: one line naming the setting, its value and what was expected.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise SettingError("; ".join(_in_words(dict(e)) for e in error.errors())) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        names = ", ".join(str(f) for f in config_files())
        raise SettingError(f"{names}: no valid TOML ({error})") from error


def _in_words(error: dict[str, Any]) -> str:
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, Settings.model_fields, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"unknown setting {name!r}{hint}"
    return f"{name} ({_flag(name)}) is {error['input']!r}: {error['msg'][0].lower()}{error['msg'][1:]}"


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
