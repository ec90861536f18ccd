"""A limit holds for all threads together."""

import threading
import time

from quantpick.transfer.net.pace import Pace


def test_threads_together_keep_to_the_limit() -> None:
    pace, stop = Pace(10_000_000), threading.Event()
    spent = [0]

    def spend() -> None:
        while time.monotonic() - began < 1.0:
            pace.spend(50_000, stop)
            spent[0] += 50_000

    began = time.monotonic()
    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    assert spent[0] <= 10_000_000 * (took + 0.15)


def test_without_a_limit_nobody_waits() -> None:
    began = time.monotonic()
    for _ in range(1000):
        Pace().spend(10**9, threading.Event())
    assert time.monotonic() - began < 1


def test_stop_ends_the_waiting() -> None:
    stop = threading.Event()
    stop.set()
    began = time.monotonic()
    Pace(16_000).spend(10**9, stop)
    assert time.monotonic() - began < 1
