"""Targets to channels: which options each kind of sink has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.core.attendance import Target
from mien.core.errors import SettingError
from mien.core.protocols import Channel, Clock

if TYPE_CHECKING:
    from mien.attendance.tables import Form

__all__ = ["Channels"]


class Channels:
    """Opens the channel of a target when called; one for all targets, since some share a quota.

    Args:
        clock: the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pacers: dict[str, Any] = {}  # of each service account, by its key file
        self._makers: dict[str, Callable[[Target], Channel]] = {
            "file": _file,
            "webhook": self._webhook,
            "sheets": self._sheets,
        }

    def __call__(self, target: Target) -> Channel:
        """The channel of a target.

        Raises:
            SettingError: a kind nobody knows, or options that cannot work.
        """
        if target.kind not in self._makers:
            raise SettingError(
                f"a sink of the kind {target.kind!r} is unknown; choose one of {', '.join(self._makers)}"
            )
        return self._makers[target.kind](target)

    def _webhook(self, target: Target) -> Channel:
        from mien.attendance.sinks.webhook import WebhookChannel, WebhookOptions

        given = target.options
        options = WebhookOptions(
            url=given.get("url", ""),
            secret_file=given.get("secret_file", ""),
            secret_variable=given.get("secret_variable", ""),
        )
        return WebhookChannel(options, self._clock)

    def _sheets(self, target: Target) -> Channel:
        from mien.attendance.sinks.google_client import Pacer
        from mien.attendance.sinks.google_sheets import GoogleSheets

        return GoogleSheets.of(target, self._pacers.setdefault(target.options.get("key_file", ""), Pacer()))


def _file(target: Target) -> Channel:
    from mien.attendance.sinks.kept_file import FileChannel

    path = target.options.get("path", "")
    if not path:
        raise SettingError("a file is kept up to date where? name it with --path FILE.csv or FILE.xlsx")
    if target.session_id is None and "{session}" not in Path(path).name:
        raise SettingError(f"{path} is for all sessions, each with a file of its own: put {{session}} into its name")
    return FileChannel(Path(path), _form(target.options.get("form", "entries")))


def _form(text: str) -> Form:
    from mien.attendance.tables import FORMS

    for form in FORMS:
        if form == text:
            return form
    raise SettingError(f"a table is one of {', '.join(FORMS)}; got {text!r}")
