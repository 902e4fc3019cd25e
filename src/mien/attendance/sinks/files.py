"""Files are written whole or not at all, and an edited one is not overwritten by chance."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from mien.core.errors import InputError

__all__ = ["write_whole"]


def write_whole(path: Path, write: Callable[[Path], None], *, replace: bool) -> None:
    """Let ``write`` fill a file beside ``path``, then put it in its place.

    Raises:
        InputError: the file is there and ``replace`` is False, or it cannot be written; what was there stays.
    """
    if path.exists() and not replace:
        raise InputError(f"{path} is there already and may have been edited; name another file or add --replace")
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        os.close(handle)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        write(Path(name))
        Path(name).replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        Path(name).unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(f"{path} cannot be written ({error.strerror}); name a place that can be, with space on it")
