"""Threads that work together end together."""

import threading
import time

import pytest

from quantpick.errors import TransferError
from quantpick.transfer.net.crew import Crew
from quantpick.transfer.net.http import Connection
from quantpick.transfer.net.patience import Patience, Stopped


def idle() -> None:
    pass


def test_first_error_ends_them_all_and_does_not_stop_the_caller() -> None:
    patience = Patience()
    crew = Crew(patience)
    turns = iter(range(4))

    def work(connection: Connection) -> None:
        if next(turns) == 2:
            raise TransferError("no")
        while not crew.is_over:
            time.sleep(0.01)

    with pytest.raises(TransferError):
        crew.run(4, work, meanwhile=idle)
    assert not patience.stop.is_set()


def test_interruption_ends_them_and_does_not_stop_the_caller() -> None:
    patience = Patience()
    crew = Crew(patience)
    ended = threading.Event()

    def work(connection: Connection) -> None:
        while not crew.is_over:
            time.sleep(0.01)
        ended.set()

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crew.run(1, work, meanwhile=interrupt)
    assert ended.wait(2)
    assert not patience.stop.is_set()


def test_stop_is_said() -> None:
    patience = Patience()
    crew = Crew(patience)

    def work(connection: Connection) -> None:
        while not crew.is_over:
            time.sleep(0.01)

    threading.Timer(0.2, patience.stop.set).start()
    with pytest.raises(Stopped):
        crew.run(2, work, meanwhile=idle)


def test_nobody_is_waited_for_after_the_work_is_done() -> None:
    done: list[int] = []
    Crew(Patience()).run(8, lambda _: done.append(1), meanwhile=idle)
    assert len(done) == 8
