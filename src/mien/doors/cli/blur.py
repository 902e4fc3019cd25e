"""``mien blur``: photographs and videos for publishing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mien.core.errors import InputError, SettingError
from mien.doors.cli.command import DETECTING, NAMING, Session, command
from mien.doors.cli.folders import follow
from mien.doors.cli.pictures import prepare_folder, shown

if TYPE_CHECKING:
    from mien.core.faces import Faces, Picture
    from mien.jobs.blur import BlurOptions, Finders

__all__ = ["register"]

_SEARCHED = 4
"""Frames of a video of which one is searched; the faces between are found again near where they were."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "blur", DETECTING, NAMING, panel="Pictures", reads=True)(blur)


def blur(
    session: Session,
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A photograph, a video, or a folder of them.")],
    target: Annotated[Path, typer.Argument(metavar="DST", help="The folder that the copies go to.")],
    keep_known: Annotated[bool, typer.Option("--keep-known", help="Hide strangers only.")] = False,
    keep: Annotated[list[str] | None, typer.Option(metavar="WHO", help="Hide everybody but them.")] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="WHO", help="Hide nobody but them.")] = None,
    style: Annotated[Literal["mosaic", "blur", "fill"], typer.Option(help="How a face is hidden.")] = "mosaic",
    grow: Annotated[
        float, typer.Option(min=0.0, max=2.0, help="How far a face's box grows first, a share of it.")
    ] = 0.1,
    strip: Annotated[
        bool, typer.Option("--strip", help="Leave out when, where and with what a photograph was taken.")
    ] = False,
) -> None:
    """Write copies in which faces cannot be recognised: of everybody, of strangers, or of some people."""
    from mien.jobs.blur import BlurOptions
    from mien.jobs.blur import blur as run

    if bool(only) and (keep_known or bool(keep)):
        raise SettingError("--only hides the people it names and --keep all others: choose one")
    gallery = session.house.gallery if only or keep or keep_known else None
    ids = {w: gallery.person(w).id for w in (*(only or ()), *(keep or ()))} if gallery is not None else {}
    options = BlurOptions(
        only=frozenset(ids[w] for w in only) if only else None,
        keep=frozenset(ids[w] for w in keep or ()),
        everybody_known=keep_known,
        style=style,
        margin=grow,
        strip=strip,
        max_megapixels=session.house.settings.max_megapixels,
    )
    files = _files(source, target)
    done = follow(session, run(files, _finders(session, options), options))
    rows = [{"file": shown(e.result.target), "hidden": e.result.hidden, "kept": e.result.kept} for e in done]
    session.out.table(f"{len(rows)} copies in {shown(target)}", rows, columns=("file", "hidden", "kept"))
    if any(e.result.target.suffix == ".mp4" for e in done):
        session.out.note("copies of videos are without sound")
    session.out.note("look at the copies before you publish them: a face that was not found is not hidden")


def _files(source: Path, target: Path) -> list[tuple[Path, Path]]:
    """Every photograph and video of the source, and where its copy goes.

    Raises:
        InputError: there is none.
        SettingError: copies would lie among what they are made of.
    """
    from mien.core.library import Seen
    from mien.jobs.library_scan import Root, look

    if not source.is_dir():
        if not source.exists():
            raise InputError(f"there is no {shown(source)}; give a photograph, a video or a folder")
        here, found = source.parent, [source]
    else:
        here = source
        if target.resolve().is_relative_to(source.resolve()):
            raise SettingError(
                f"{shown(target)} lies in {shown(source)}: copies would be copied; choose another folder"
            )
        seen: list[Seen] = [one for portion in look(Root.at(source), []) for one in portion]
        root = source.resolve()
        found = [source / Path(os.fsdecode(one.path)).relative_to(root) for one in seen]
    if not found:
        raise InputError(f"no pictures and no videos in {shown(source)}")
    prepare_folder(target)
    pairs = [(path, target / path.relative_to(here)) for path in found]
    if any(copy.exists() and copy.samefile(path) for path, copy in pairs):
        raise SettingError(f"a copy would replace {shown(source)} itself; choose another folder")
    return pairs


def _finders(session: Session, options: BlurOptions) -> Finders:
    """Who finds the faces: the detector alone where everybody is hidden, else with names."""
    from mien.jobs.blur import Finders

    house = session.house
    if options.only is None and not options.keep and not options.everybody_known:

        def found(picture: Picture) -> Faces:
            return house.detector.at_scale(picture.scale).detect(picture.pixels).scaled(1 / picture.scale)

        return Finders(found, lambda: found)
    from mien.recognition.follower import FollowOptions

    return Finders(house.recognizer.identify, lambda: house.follower(FollowOptions(every=_SEARCHED)).follow)
