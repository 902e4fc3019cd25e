"""What every command shares: settings as options, one session, errors as one line and an exit code."""

from __future__ import annotations

import functools
import inspect
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from mien.core.errors import MienError, SettingError
from mien.doors.cli.output import Output

if TYPE_CHECKING:
    from mien.wiring.bootstrap import House

__all__ = [
    "CLASSIFYING",
    "DETECTING",
    "EVIDENCE",
    "GATE",
    "KEEPING",
    "LIVENESS",
    "NAMING",
    "SERVING",
    "Exit",
    "Session",
    "ask",
    "command",
]


Item = TypeVar("Item")


class Exit(IntEnum):
    """Exit codes, documented in docs/reference/cli.md."""

    OK = 0
    FAILED = 1
    USAGE = 2
    SOME_FAILED = 3
    DIFFERENT = 10
    NO_FACE = 11
    INTERRUPTED = 130


@dataclass
class Session:
    """One run of one command: its output and, when first needed, the objects that the settings ask for."""

    out: Output
    given: dict[str, Any] = field(default_factory=dict)
    create: bool = True
    failed: int = 0
    unread: list[dict[str, Any]] = field(default_factory=list)
    interrupted: bool = False
    _looping: bool = False

    def close(self) -> None:
        """Close what the command opened."""
        if "house" in self.__dict__:
            self.house.close()

    def each(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items of a long run; Ctrl-C ends it after the one at hand, so that what was done is kept and printed."""
        if self.interrupted:
            return
        self._looping = True
        try:
            for item in items:
                yield item
                if self.interrupted:
                    return
        finally:
            self._looping = False

    def on_interrupt(self, *_: object) -> None:
        """What Ctrl-C does: the first in a long run asks it to end, any other breaks off."""
        if not self._looping or self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
        self.out.note("stopping after this one; Ctrl-C again breaks off")

    @functools.cached_property
    def house(self) -> House:
        """Everything that the settings wire together."""
        from mien.wiring.bootstrap import House
        from mien.wiring.settings import load_settings

        return House(load_settings(**self.given), create=self.create)

    def fail(self, line: str) -> None:
        """Report one bad item and remember it for the exit code; the rest goes on."""
        self.failed += 1
        self.out.problem(line)


@dataclass(frozen=True)
class Setting:
    """A setting that a command offers as an option."""

    name: str
    type: Any
    help: str
    panel: str

    def parameter(self) -> inspect.Parameter:
        """The option as Typer reads it from a signature."""
        flag = f"--{self.name.removeprefix('serve_').replace('_', '-')}"  # mien serve --host sets serve_host
        declared = f"{flag}/--no-{flag[2:]}" if self.type is bool else flag
        option = typer.Option(declared, help=self.help, rich_help_panel=self.panel, show_default=False)
        annotation = Annotated[self.type | None, option]  # type: ignore[name-defined]  # made at run time
        return inspect.Parameter(self.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


EVERYWHERE = (
    Setting("preset", str, "fast, facenet or accurate.", "Everywhere"),
    Setting("database", str, "The gallery: a file, or a database URL.", "Everywhere"),
    Setting("provider", str, "cpu, cuda, … or auto; one that cannot be had is an error.", "Everywhere"),
    Setting(
        "gpu_memory_fraction", float, "Share of the graphics card's memory to use at most, e.g. 0.25.", "Everywhere"
    ),
    Setting("threads", int, "Computing threads; 0 takes all cores.", "Everywhere"),
)
DETECTING = (
    Setting("detector", str, "mtcnn, haar, yunet, scrfd, or one you added.", "Finding faces"),
    Setting("weights", str, "What MTCNN runs on: mtcnn, or what you trained (mien train mtcnn).", "Finding faces"),
    Setting("min_face", float, "Side of the smallest face to find, pixels of the original.", "Finding faces"),
    Setting("max_face", float, "Side of the largest face to find; leave out for any.", "Finding faces"),
    Setting("pnet_threshold", float, "Score a window needs at MTCNN's first stage.", "Finding faces"),
    Setting("rnet_threshold", float, "Score a window needs at MTCNN's second stage.", "Finding faces"),
    Setting("onet_threshold", float, "Score a window needs at MTCNN's third stage.", "Finding faces"),
    Setting("score_threshold", float, "Score a face of yunet, scrfd or a sliding window needs.", "Finding faces"),
    Setting("pyramid_factor", float, "How much smaller each level of the image pyramid is.", "Finding faces"),
    Setting("haar_factor", float, "How much the Haar cascade's window grows from scale to scale.", "Finding faces"),
    Setting("haar_neighbours", int, "How many windows must agree on a face, for the Haar cascade.", "Finding faces"),
    Setting("mtcnn_mode", str, "fast, or parity with the original's boxes.", "Finding faces"),
    Setting("max_megapixels", float, "Larger pictures are refused.", "Finding faces"),
    Setting("full_size", bool, "Never decode big photographs at a smaller size.", "Finding faces"),
)
NAMING = (
    Setting("embedder", str, "facenet, dlib, facenet+dlib, or one you added.", "Naming people"),
    Setting(
        "identifier",
        str,
        "cosine: the most similar picture; knn: a vote of the nearest; or one you trained (mien train identifier).",
        "Naming people",
    ),
    Setting("k", int, "How many pictures vote with --identifier knn.", "Naming people"),
    Setting("strangers", int, "At most one stranger in so many is named.", "Naming people"),
    Setting("threshold", float, "A similarity given by hand instead, -1 to 1.", "Naming people"),
    Setting("margin", float, "Least lead over the runner-up; less is ambiguous.", "Naming people"),
    Setting("once", bool, "Name a person at most once per picture.", "Naming people"),
    Setting(
        "search_memory",
        float,
        "Megabytes for the vectors of the gallery; a larger one is held in a compact form, with the same answers.",
        "Naming people",
    ),
    Setting(
        "search_compact_memory",
        float,
        "Megabytes for the compact form; beyond, PostgreSQL's index is asked (mien db index).",
        "Naming people",
    ),
)
CLASSIFYING = (
    Setting(
        "classifier",
        str,
        "What to ask about every face: a name, or FILE.onnx with its record beside it; several with commas.",
        "Asking classifiers",
    ),
    Setting(
        "context",
        float,
        "How far a face's box grows on each side for them, as a share of it, e.g. 0.5; else as the record says.",
        "Asking classifiers",
    ),
)
LIVENESS = (
    Setting("liveness", str, "off, challenge (turn your head) or passive (a model you brought).", "Living faces"),
    Setting("liveness_turns", int, "How many turns of the head a challenge asks for.", "Living faces"),
    Setting("liveness_model", str, "The passive model, as `mien models list` names it.", "Living faces"),
    Setting("liveness_threshold", float, "Least probability of a living face, 0 to 1.", "Living faces"),
)
KEEPING = (
    Setting(
        "keep_photos",
        bool,
        "Keep the part of each photograph around the face, for another embedder later; whoever is in it must agree.",
        "Keeping",
    ),
)
GATE = (
    Setting("min_size", float, "Least side of a face to learn, pixels.", "The gate"),
    Setting("min_sharpness", float, "Least sharpness of a face to learn.", "The gate"),
    Setting("darkest", float, "Least mean brightness, 0 to 1.", "The gate"),
    Setting("brightest", float, "Greatest mean brightness, 0 to 1.", "The gate"),
    Setting("min_contrast", float, "Least contrast, 0 to 1.", "The gate"),
    Setting("max_yaw", float, "Greatest turn of the head, degrees.", "The gate"),
    Setting("max_roll", float, "Greatest tilt of the head, degrees.", "The gate"),
)


SERVING = (
    Setting("serve_host", str, "Where to listen; elsewhere than 127.0.0.1 only with keys.", "Serving"),
    Setting("serve_port", int, "The port (8000).", "Serving"),
    Setting("serve_workers", int, "Processes that serve (1).", "Serving"),
    Setting("serve_inference", int, "Pictures worked on at once in each process; 0 is one per core.", "Serving"),
    Setting("serve_queue", int, "Pictures that may wait; more are answered 503.", "Serving"),
    Setting("serve_batch", int, "Faces of several requests embedded in one run at most; 1 joins none.", "Serving"),
    Setting("serve_live", int, "Live connections in each process.", "Serving"),
    Setting("serve_max_mb", float, "Largest request, megabytes.", "Serving"),
    Setting("serve_upload_seconds", float, "How long a request may take to arrive.", "Serving"),
    Setting("serve_rate", float, "Requests a second of each key; 0 sets no limit.", "Serving"),
    Setting("serve_origins", str, "Web pages that may call from a browser (CORS), with commas.", "Serving"),
    Setting("serve_proxies", str, "Proxies believed about whom a request is from.", "Serving"),
)
EVIDENCE = (
    Setting("evidence", bool, "Keep crops of sightings, of people who allow it (mien people consent).", "Evidence"),
    Setting("evidence_days", float, "Days for which crops are kept.", "Evidence"),
)


def command(
    app: typer.Typer, name: str, *groups: tuple[Setting, ...], panel: str | None = None, reads: bool = False
) -> Callable[[Callable[..., int | None]], Callable[..., None]]:
    """Register a function ``(session, …)`` as the command ``name``, with the options of ``groups`` and of every command.

    The function gets a ``Session`` first; what it returns is the exit code, None meaning that of the session. A command
    that only ``reads`` does not make the gallery that a mistyped ``--database`` names.
    """
    settings = [s for group in (*groups, EVERYWHERE) for s in group]

    def register(function: Callable[..., int | None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(function, eval_str=True).parameters.values() if p.name != "session"]
        taken = {p.name for p in own}
        offered = [s for s in settings if s.name not in taken]

        @functools.wraps(function)
        def run(**values: Any) -> None:
            out = Output(_format(values.pop("as_json"), values.pop("as_csv")), values.pop("quiet"))
            given = {s.name: values.pop(s.name) for s in offered}
            raise typer.Exit(_guarded(function, Session(out, given, create=not reads), values))

        parameters = [*(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own), *(s.parameter() for s in offered)]
        run.__signature__ = inspect.Signature([*parameters, *_OUTPUT])  # type: ignore[attr-defined]  # what Typer reads
        run.__annotations__ = {p.name: p.annotation for p in [*parameters, *_OUTPUT]}
        app.command(name, rich_help_panel=panel)(run)
        return run

    return register


_OUTPUT = tuple(
    inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=False,
        annotation=Annotated[bool, typer.Option(flag, help=text, rich_help_panel="Everywhere")],
    )
    for name, flag, text in (
        ("as_json", "--json", "Print JSON."),
        ("as_csv", "--csv", "Print CSV."),
        ("quiet", "--quiet", "No progress and no notes."),
    )
)


def ask(question: str) -> bool:
    """The answer of the person at the terminal.

    Raises:
        SettingError: nobody is there to answer.
    """
    if not sys.stdin.isatty():
        raise SettingError(f"{question} Nobody is there to answer: add --yes")
    return typer.confirm(question, err=True)


def _format(as_json: bool, as_csv: bool) -> Any:
    if as_json and as_csv:
        raise typer.BadParameter("choose --json or --csv, not both")
    return "json" if as_json else "csv" if as_csv else "table"


def _guarded(function: Callable[..., int | None], session: Session, values: dict[str, Any]) -> int:
    """Run a command; every known error becomes one line and an exit code."""
    try:
        with _interrupts(session):
            code = function(session, **values)
            session.out.flush()
    except SettingError as error:
        session.out.problem(f"mien: {error}")
        return Exit.USAGE
    except BrokenPipeError:  # the reader has what it wanted (| head): no reason to complain
        _leave_stdout()
        code = Exit.FAILED
    except (MienError, OSError) as error:
        session.out.problem(f"mien: {_in_words(error) if isinstance(error, OSError) else error}")
        return Exit.FAILED
    except KeyboardInterrupt:
        session.interrupted = True
    finally:
        session.close()
    if session.interrupted:
        session.out.problem("mien: interrupted; what was done stays")
        return Exit.INTERRUPTED
    if code is not None:
        return code
    return Exit.SOME_FAILED if session.failed else Exit.OK


def _in_words(error: OSError) -> str:
    """What the system said, without its number: ``out/a.jpg: no space left on device``."""
    from mien.media.images import printable

    where = "" if error.filename is None else f"{printable(error.filename)}: "
    return f"{where}{(error.strerror or str(error)).lower()}"


def _leave_stdout() -> None:
    """Nobody reads stdout any more: what is still to be written there at the end goes nowhere, without a complaint."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


@contextmanager
def _interrupts(session: Session) -> Iterator[None]:
    """Ctrl-C goes to the session while a command runs (signals reach the main thread only)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, session.on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
