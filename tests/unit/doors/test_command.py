"""A session: long runs that end between two items."""

from mien.doors.cli.command import Session
from mien.doors.cli.output import Output


def test_an_item_made_while_ctrl_c_came_is_not_lost():
    """A job does the work while the next item is asked for: what it had finished is still handed out, nothing after."""
    session = Session(Output(quiet=True))

    def job():
        yield "first"
        session.on_interrupt()
        yield "finished during Ctrl-C"
        yield "never begun"

    assert list(session.each(job())) == ["first", "finished during Ctrl-C"]


def test_after_ctrl_c_no_further_run_begins():
    """A second long run of the same command (the next person of a folder) is not started."""
    session = Session(Output(quiet=True))
    for _ in session.each("ab"):
        session.on_interrupt()
    assert list(session.each("cd")) == []
