"""The bounded queue, and how often somebody may ask."""

import asyncio
import threading

import pytest

from mien.doors.service.gate import Rate, is_this_machine
from mien.doors.service.problems import ProblemError
from mien.doors.service.work import ClientGoneError, Work


def test_what_cannot_even_wait_is_refused_and_what_was_taken_is_done():
    """One is worked on, one waits, a third is refused at once; the two end with their results and leave room."""

    async def go() -> None:
        work, free = Work(1, 1), threading.Event()
        taken = [asyncio.ensure_future(work.run(lambda: free.wait(10))) for _ in range(2)]
        await asyncio.sleep(0)
        assert work.waiting == 1
        with pytest.raises(ProblemError, match="2 pictures"):
            await work.run(lambda: True)
        free.set()
        assert await asyncio.gather(*taken) == [True, True]
        await asyncio.sleep(0.01)
        assert work.taken == 0
        work.close()

    asyncio.run(go())


def test_whoever_hangs_up_leaves_the_line():
    """A task whose client is gone before it began never runs, and its place is free again."""

    async def go() -> None:
        work, free, ran = Work(1, 5), threading.Event(), []
        first = asyncio.ensure_future(work.run(lambda: free.wait(10)))
        await asyncio.sleep(0.01)
        with pytest.raises(ClientGoneError):
            await work.run(lambda: ran.append(1), asyncio.sleep(0.01))
        free.set()
        assert await first
        assert await work.run(lambda: 7, asyncio.sleep(10)) == 7
        assert ran == []
        assert work.taken == 0
        work.close()

    asyncio.run(go())


def test_what_has_begun_is_finished_though_nobody_waits():
    """A write that has begun when its client hangs up is carried out to the end."""

    async def go() -> None:
        work, free, done = Work(1, 5), threading.Event(), []

        def write() -> str:
            free.wait(10)
            done.append(1)
            return "written"

        running = asyncio.ensure_future(work.run(write, asyncio.sleep(0.01)))
        await asyncio.sleep(0.05)
        free.set()
        assert await running == "written"
        assert done == [1]
        work.close()

    asyncio.run(go())


def test_an_error_reaches_whoever_asked():
    """What a task raises is raised where it was asked for."""

    async def go() -> None:
        work = Work(1, 1)
        with pytest.raises(ZeroDivisionError):
            await work.run(lambda: 1 / 0)
        work.close()

    asyncio.run(go())


def test_a_rate_lets_some_through_and_then_one_by_one():
    """Two may come together, then one each half second; somebody else is not held up; zero sets no limit."""
    rate = Rate(2.0, 2.0)
    for _ in range(2):
        assert rate.wait("a", 0.0) == 0
        rate.take("a", 0.0)
    assert rate.wait("a", 0.0) == pytest.approx(0.5)
    assert rate.wait("b", 0.0) == 0
    assert rate.wait("a", 0.5) == 0
    assert Rate(0.0, 1.0).wait("a", 0.0) == 0


def test_names_that_lead_to_this_machine():
    """The loopback addresses and localhost are this machine; everything else may be another."""
    assert all(map(is_this_machine, ("127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost")))
    assert not any(map(is_this_machine, ("0.0.0.0", "192.168.0.1", "", "localhost.evil.example", "::")))
