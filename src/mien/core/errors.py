"""The error tree.

Only faults a caller can act on have a class here; each message names the value, what was expected and the remedy.

    MienError
    ├── InputError            what was handed in cannot be used
    │   ├── ImageError        a picture that cannot be read, or an array that is no picture
    │   │   └── TooManyPixelsError  a picture larger than is allowed
    │   ├── NotFoundError     a person, picture or record that is not there
    │   └── DuplicateError    a name or thing that is there already
    ├── SettingError          a setting, option or combination of them that cannot work
    │   └── MissingExtraError an optional dependency that is not installed; carries the pip command
    ├── WeightsError          weights that are missing, altered or of a shape nobody knows
    ├── ProviderError         an execution provider that was asked for and cannot be had
    ├── SpaceMismatchError    embeddings of two spaces were about to be compared
    ├── TrainingError         a run that cannot go on; its last checkpoint is intact
    ├── DeliveryError         a place outside does not take what is to be written there; says whether waiting helps
    └── StoreError            the database cannot do what was asked
        ├── StoreBusyError    another process holds it; trying again may help
        │   └── StoreAwayError  the server does not answer; nothing was changed
        ├── StoreReadOnlyError  it cannot be written to
        └── StoreVersionError it was written by a newer mien
"""

from __future__ import annotations

__all__ = [
    "DeliveryError",
    "DuplicateError",
    "ImageError",
    "InputError",
    "MienError",
    "MissingExtraError",
    "NotFoundError",
    "ProviderError",
    "SettingError",
    "SpaceMismatchError",
    "StoreAwayError",
    "StoreBusyError",
    "StoreError",
    "StoreReadOnlyError",
    "StoreVersionError",
    "TooManyPixelsError",
    "TrainingError",
    "WeightsError",
]


class MienError(Exception):
    """Whatever mien can foresee going wrong; a door shows it as one line."""


class InputError(MienError, ValueError):
    """What was handed in cannot be used."""


class ImageError(InputError):
    """A picture that cannot be read, or an array that is no picture."""


class TooManyPixelsError(ImageError):
    """A picture larger than is allowed; nothing of it was decoded."""


class NotFoundError(InputError):
    """A person, picture or record that is not there."""


class DuplicateError(InputError):
    """A name or thing that is there already."""


class SettingError(MienError, ValueError):
    """A setting, option or combination of them that cannot work."""


class MissingExtraError(SettingError):
    """An optional dependency is not installed.

    Args:
        purpose: what needs it, e.g. ``"HEIC pictures"``.
        extra: the extra of ours that brings it, e.g. ``"heic"``.
    """

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(f'{purpose} need an extra that is not installed: pip install "mien[{extra}]"')
        self.extra = extra


class WeightsError(MienError):
    """Weights that are missing, altered or of a shape nobody knows."""


class ProviderError(MienError):
    """An execution provider that was asked for and cannot be had."""


class SpaceMismatchError(MienError):
    """Embeddings of two spaces were about to be compared."""


class TrainingError(MienError):
    """A training run that cannot go on; its last checkpoint is intact."""


class DeliveryError(MienError):
    """A place outside does not take what is to be written there.

    Args:
        message: what it answered and what to do.
        passing: whether trying again later may help without anybody doing anything (offline, busy, too many requests).
        wait: seconds it asks to be left alone for; None if it does not say.
    """

    def __init__(self, message: str, *, passing: bool, wait: float | None = None) -> None:
        super().__init__(message)
        self.passing = passing
        self.wait = wait


class StoreError(MienError):
    """The database cannot do what was asked."""


class StoreBusyError(StoreError):
    """Another process holds the database; trying again may help."""


class StoreAwayError(StoreBusyError):
    """The server of the database does not answer; nothing was changed, trying again may help."""


class StoreReadOnlyError(StoreError):
    """The database cannot be written to."""


class StoreVersionError(StoreError):
    """The database was written by a newer mien."""
