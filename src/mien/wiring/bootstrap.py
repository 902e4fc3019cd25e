"""Settings to objects: the only place that knows every plug."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypedDict

import numpy as np

from mien.core.errors import NotFoundError, SettingError
from mien.wiring.settings import Settings, load_settings

if TYPE_CHECKING:
    from mien.classifiers.network import NetworkClassifier
    from mien.core.attendance import Target
    from mien.core.faces import Faces, Picture
    from mien.core.protocols import Channel, Detector, Embedder, LivenessCheck, Network, Refiner
    from mien.detectors.mtcnn.detector import MtcnnDetector
    from mien.jobs.backup import Places as BackupPlaces
    from mien.jobs.deliver import Post
    from mien.media.images import ReadOptions
    from mien.media.sources import Source, SourceOptions
    from mien.recognition.enrolment import EnrolOptions
    from mien.recognition.follower import Follower, FollowOptions
    from mien.recognition.identification import CosineIdentifier
    from mien.recognition.quality import QualityLimits
    from mien.recognition.recognizer import Recognizer
    from mien.store.gallery import SqlGallery
    from mien.zoo.catalog import Catalog, WeightRecord
    from mien.zoo.runtime import OnnxNetwork, RuntimeOptions

__all__ = ["House", "detector", "embedder", "recognizer"]


class Places(TypedDict):
    """Folders for weights: what can be made again, and what a user brought."""

    cache: Path
    models: Path


class House:
    """Everything that one set of settings wires together; each part is made when it is first asked for.

    Args:
        settings: from ``load_settings``.
        create: make the gallery that ``database`` names if it is not there; a mistyped name is an error otherwise.
        batch: faces that many threads want embedded at once are embedded in one run of so many at most; 1 joins none.
    """

    def __init__(self, settings: Settings, *, create: bool = True, batch: int = 1) -> None:
        self.settings = settings
        self.create = create
        self.batch = batch
        self._open: list[SqlGallery] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the gallery, if it was opened."""
        while self._open:
            self._open.pop().close()

    # pictures

    def read(self, path: str | os.PathLike[str], *, chip: float | None = None) -> Picture:
        """A picture, decoded no larger than the settings need.

        Args:
            path: a file.
            chip: pixels the smallest wanted face must keep for the embedder; None when it is only to be found.
        """
        from mien.media.images import read_image

        return read_image(path, self.read_options(chip=chip))

    def read_options(self, *, chip: float | None = None) -> ReadOptions:
        """How pictures are read: size guard, and how far big photographs may be reduced."""
        from mien.media.images import ReadOptions

        s = self.settings
        return ReadOptions(
            max_megapixels=s.max_megapixels,
            min_face=None if s.full_size else s.min_face,
            detector_min=max(20.0, chip or 0.0),
        )

    def source(self, what: str, options: SourceOptions | None = None) -> Source:
        """What can be watched: a webcam's number, an address, a video, a folder of frames (with the times of its manifest).

        Raises:
            SettingError, ImageError, MissingExtraError: see ``open_source``.
        """
        from mien.jobs.frame_manifest import times_of_frames
        from mien.media.sources import SourceOptions, open_source

        options = replace(options or SourceOptions(), max_megapixels=self.settings.max_megapixels)
        if "://" not in what and Path(what).is_dir():
            options = replace(options, times=times_of_frames(Path(what).resolve()) or None)
        return open_source(what, options)

    # weights

    @cached_property
    def catalog(self) -> Catalog:
        """Every weight that is known, the user's own among them."""
        from mien.zoo.catalog import Catalog

        return Catalog(self.settings.models_folder)

    @cached_property
    def runtime(self) -> RuntimeOptions:
        """Where networks run."""
        from mien.zoo.runtime import RuntimeOptions

        s = self.settings
        return RuntimeOptions(provider=s.provider, threads=s.threads, gpu_memory_fraction=s.gpu_memory_fraction)

    @property
    def places(self) -> Places:
        """Where weights are looked for and kept."""
        return {"cache": self.settings.cache_dir, "models": self.settings.models_folder}

    def weights(self, name: str) -> dict[str, Path]:
        """Verified local ONNX files of a record, by role."""
        from mien.zoo.weights import ensure

        return ensure(self.catalog.get(name), **self.places)

    def network(self, path: Path) -> OnnxNetwork:
        """A network over one ONNX file."""
        from mien.zoo.runtime import OnnxNetwork

        return OnnxNetwork(path, self.runtime)

    # plugs

    @cached_property
    def detector(self) -> Detector:
        """The detector that the settings name; huge pictures are searched in tiles."""
        from mien.wiring.detectors import open_detector

        return open_detector(self)

    @cached_property
    def explainer(self) -> MtcnnDetector | None:
        """The detector as one that can say why; None if it cannot."""
        from mien.wiring.detectors import open_mtcnn_detector

        return open_mtcnn_detector(self) if self.settings.detector == "mtcnn" else None

    @cached_property
    def refiner(self) -> Refiner | None:
        """What finds faces again near where they were: MTCNN's last two networks, whatever found them first."""
        from mien.wiring.detectors import open_mtcnn_detector

        return open_mtcnn_detector(self)

    def follower(self, options: FollowOptions | None = None) -> Follower:
        """A follower for one stream."""
        from mien.recognition.attributes import AttributeVote
        from mien.recognition.follower import Follower

        vote = AttributeVote(self.classifiers) if self.classifiers else None
        return Follower(self.recognizer, refiner=self.refiner, options=options, attributes=vote)

    def liveness(self, kind: str | None = None) -> LivenessCheck | None:
        """What tells living faces from pictures of faces, fresh for one stream; None if nothing is asked for.

        Args:
            kind: ``off``, ``challenge`` or ``passive``; None for what the settings say.

        Raises:
            SettingError: a model that nobody has added.
        """
        from mien.recognition.challenge import ChallengeOptions
        from mien.recognition.liveness import ChallengeCheck, PassiveCheck, PassiveOptions

        s = self.settings
        kind = kind or s.liveness
        if kind == "off":
            return None
        if kind == "challenge":
            return ChallengeCheck(ChallengeOptions(turns=s.liveness_turns))
        if s.liveness_model not in self.catalog.names("classifier"):
            raise SettingError(
                f"--liveness passive needs a model, and no classifier is called {s.liveness_model!r}; bring MiniFASNet as "
                f"ONNX: mien models add FILE.onnx --name {s.liveness_model} --kind classifier --classes live,spoof "
                "--align context+0.5 --mean 0 --scale 255"
            )
        return PassiveCheck(self.classifier(s.liveness_model), PassiveOptions(threshold=s.liveness_threshold))

    @cached_property
    def classifiers(self) -> tuple[NetworkClassifier, ...]:
        """Those that the settings name, asked about every face."""
        from mien.wiring.classifiers import open_classifiers

        return open_classifiers(self)

    def classifier(self, name: str, *, context: float | None = None) -> NetworkClassifier:
        """The classifier of this name, from the catalog, or of this ``.onnx`` file with its record beside it.

        Args:
            name: of the record or the file.
            context: the share by which a face's box grows on each side, whatever the record says.
        """
        from mien.wiring.classifiers import open_classifier

        return open_classifier(self, name, context=context)

    def classified(self, picture: Picture, faces: Faces) -> Faces:
        """The faces of a photograph, in pixels of the original, with what the classifiers of the settings say."""
        from mien.recognition.attributes import classify

        return classify(self.classifiers, picture, faces) if self.classifiers else faces

    @cached_property
    def embedder(self) -> Embedder:
        """The embedder that the settings name; names joined with + are fused."""
        return self.embedder_called(self.settings.embedder)

    @cached_property
    def known_embedder(self) -> Embedder:
        """The embedder of the people that are known: the one that the settings name; where they name none, that of the
        space which the gallery is searched in (mien people reembed --switch).

        Raises:
            SettingError: the gallery is searched in a space whose embedder is not here.
        """
        space = None if self.settings.says("embedder") else self.gallery.active_space()
        if space is None or space.name == self.settings.embedder:
            return self.embedder
        if space.name not in self.catalog.names("embedder"):
            raise SettingError(
                f"the gallery is searched in the space {space.id}, and no embedder {space.name!r} is here: bring it (mien"
                " models add), or name another with --embedder"
            )
        return self.embedder_called(space.name)

    def embedder_called(self, name: str) -> Embedder:
        """The embedder of this name.

        Raises:
            NotFoundError: none is called so.
        """
        return self._embedder(self.catalog.get(name))

    def _embedder(self, record: WeightRecord) -> Embedder:
        from mien.embedders.ensemble import EnsembleEmbedder, Member
        from mien.embedders.network import EmbedderOptions, NetworkEmbedder
        from mien.zoo.batching import JoiningNetwork

        if record.format != "ensemble":
            (file,) = self.weights(record.name).values()
            network: Network = self.network(file)
            joined = network if self.batch == 1 else JoiningNetwork(network, rows=self.batch)
            return NetworkEmbedder(joined, EmbedderOptions.from_record(record))
        stored = record.load_statistics()
        members = [
            Member(
                self._embedder(self.catalog.get(name)),
                np.array(stored[name]["centre"], np.float32),
                float(stored[name]["spread"]),
            )
            for name in record.members
        ]
        return EnsembleEmbedder(record.name, members)

    @cached_property
    def gallery(self) -> SqlGallery:
        """The people that are known; opened at the first use."""
        from mien.store.gallery import open_gallery
        from mien.store.nearby import SearchLimits
        from mien.store.places import file_of

        place = self.settings.database_url
        if ":memory:" in place:
            raise SettingError("a gallery lives in a file: give database a path (a temporary one to try things)")
        file = file_of(place)
        if not self.create and self.settings.database and file is not None and not file.exists():
            raise NotFoundError(f"there is no gallery at {place}; mien enroll --database {place} makes one")
        limits = SearchLimits(self.settings.search_memory, self.settings.search_compact_memory)
        gallery = open_gallery(place, limits=limits)
        self._open.append(gallery)
        return gallery

    @property
    def backup_places(self) -> BackupPlaces:
        """Where the parts of a backup are here.

        Raises:
            SettingError: the gallery is no file.
        """
        from mien.jobs.backup import Places as BackupPlaces
        from mien.store.places import file_of, without_password
        from mien.wiring.settings import settings_file

        file = file_of(self.settings.database_url)
        if file is None:
            raise SettingError(
                f"{without_password(self.settings.database_url)} is on a server; back it up there, with pg_dump"
            )
        return BackupPlaces(file, settings_file(), self.settings.models_folder)

    # delivery

    @property
    def post(self) -> Post:
        """What a delivery of registers needs, over the gallery."""
        from mien.jobs.deliver import Post

        return Post(self.gallery.attendance, self.gallery.outbox, self.channel, _SystemClock())

    @cached_property
    def channel(self) -> Callable[[Target], Channel]:
        """Opens the channel of a target."""
        from mien.wiring.channels import Channels

        return Channels(_SystemClock())

    @cached_property
    def identifier(self) -> CosineIdentifier:
        """Vectors to decisions, as sure as the settings ask."""
        from mien.wiring.identifiers import open_identifier

        return open_identifier(self)

    @cached_property
    def recognizer(self) -> Recognizer:
        """All of the above as one flow."""
        from mien.recognition.recognizer import Recognizer

        return Recognizer(self.detector, self.known_embedder, self.identifier, self.gallery)

    @property
    def limits(self) -> QualityLimits:
        """What a face must have to be learnt."""
        from mien.recognition.quality import QualityLimits

        s = self.settings
        return QualityLimits(
            size=s.min_size,
            sharpness=s.min_sharpness,
            darkest=s.darkest,
            brightest=s.brightest,
            contrast=s.min_contrast,
            yaw=s.max_yaw,
            roll=s.max_roll,
        )

    def enrol_options(
        self, *, face: int | None = None, allow_similar: bool = False, allow_unlike: bool = False
    ) -> EnrolOptions:
        """How photographs are taken in."""
        from mien.recognition.enrolment import EnrolOptions

        return EnrolOptions(face, self.limits, allow_similar, allow_unlike, self.settings.keep_photos)


class _SystemClock:
    """The time of this machine."""

    def now(self) -> datetime:
        """Aware, UTC."""
        return datetime.now(UTC)


def detector(**settings: Any) -> Detector:
    """A detector from settings as on the command line, e.g. ``mien.detector(min_face=40)``."""
    return House(load_settings(**settings)).detector


def embedder(**settings: Any) -> Embedder:
    """An embedder from settings, e.g. ``mien.embedder(embedder="dlib")``."""
    return House(load_settings(**settings)).embedder


def recognizer(**settings: Any) -> Recognizer:
    """A recognizer from settings, over the same gallery as the command line unless ``database`` names another.

    Close its gallery when done (``with recognizer.gallery:`` or ``recognizer.gallery.close()``).
    """
    return House(load_settings(**settings)).recognizer
