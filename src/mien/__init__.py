"""The library's door: each name is loaded at its first use, importing mien loads nothing else.

import mien

recognizer = mien.recognizer(database="family.db")
recognizer.enroll("Ada", [mien.read_image("ada.jpg")])
faces = recognizer.identify(mien.read_image("party.jpg"))
print([match.name for match in faces.matches])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mien.core.answers import Match as Match
    from mien.core.answers import Quality as Quality
    from mien.core.errors import ImageError as ImageError
    from mien.core.errors import InputError as InputError
    from mien.core.errors import MienError as MienError
    from mien.core.errors import SpaceMismatchError as SpaceMismatchError
    from mien.core.errors import StoreError as StoreError
    from mien.core.errors import WeightsError as WeightsError
    from mien.core.faces import Faces as Faces
    from mien.core.faces import Picture as Picture
    from mien.core.people import EmbeddingSpace as EmbeddingSpace
    from mien.core.people import Person as Person
    from mien.core.people import Template as Template
    from mien.core.reasons import Reason as Reason
    from mien.core.reasons import Trace as Trace
    from mien.jobs.watch import Event as Event
    from mien.jobs.watch import Watcher as Watcher
    from mien.jobs.watch import WatcherOptions as WatcherOptions
    from mien.jobs.watch import watch as watch
    from mien.media.drawing import draw_faces as draw_faces
    from mien.media.images import ReadOptions as ReadOptions
    from mien.media.images import decode_image as decode_image
    from mien.media.images import read_image as read_image
    from mien.media.images import write_image as write_image
    from mien.media.sources import SourceOptions as SourceOptions
    from mien.media.sources import open_source as open_source
    from mien.recognition.enrolment import EnrolOptions as EnrolOptions
    from mien.recognition.follower import Follower as Follower
    from mien.recognition.follower import FollowOptions as FollowOptions
    from mien.recognition.quality import QualityLimits as QualityLimits
    from mien.recognition.recognizer import Recognizer as Recognizer
    from mien.wiring.bootstrap import House as House
    from mien.wiring.bootstrap import detector as detector
    from mien.wiring.bootstrap import embedder as embedder
    from mien.wiring.bootstrap import recognizer as recognizer
    from mien.wiring.settings import Settings as Settings
    from mien.wiring.settings import load_settings as load_settings

_ROOMS = {
    "mien.core.errors": ("ImageError", "InputError", "MienError", "SpaceMismatchError", "StoreError", "WeightsError"),
    "mien.core.answers": ("Match", "Quality"),
    "mien.core.faces": ("Faces", "Picture"),
    "mien.core.people": ("EmbeddingSpace", "Person", "Template"),
    "mien.core.reasons": ("Reason", "Trace"),
    "mien.jobs.watch": ("Event", "Watcher", "WatcherOptions", "watch"),
    "mien.media.drawing": ("draw_faces",),
    "mien.media.images": ("ReadOptions", "decode_image", "read_image", "write_image"),
    "mien.media.sources": ("SourceOptions", "open_source"),
    "mien.recognition.enrolment": ("EnrolOptions",),
    "mien.recognition.follower": ("FollowOptions", "Follower"),
    "mien.recognition.quality": ("QualityLimits",),
    "mien.recognition.recognizer": ("Recognizer",),
    "mien.wiring.bootstrap": ("House", "detector", "embedder", "recognizer"),
    "mien.wiring.settings": ("Settings", "load_settings"),
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "EmbeddingSpace",
    "EnrolOptions",
    "Event",
    "Faces",
    "FollowOptions",
    "Follower",
    "House",
    "ImageError",
    "InputError",
    "Match",
    "MienError",
    "Person",
    "Picture",
    "Quality",
    "QualityLimits",
    "ReadOptions",
    "Reason",
    "Recognizer",
    "Settings",
    "SourceOptions",
    "SpaceMismatchError",
    "StoreError",
    "Template",
    "Trace",
    "Watcher",
    "WatcherOptions",
    "WeightsError",
    "decode_image",
    "detector",
    "draw_faces",
    "embedder",
    "load_settings",
    "open_source",
    "read_image",
    "recognizer",
    "watch",
    "write_image",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its room."""
    if name == "__version__":
        from importlib.metadata import version

        return version("mien")
    if name not in _HOME:
        raise AttributeError(f"module 'mien' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
