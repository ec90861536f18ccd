"""How long is waited, and what is said meanwhile."""

import threading
import time

import pytest

from quantpick.core.progress import DownloadProgress
from quantpick.errors import TransferError
from quantpick.transfer.net import patience as module
from quantpick.transfer.net.patience import Patience, Stopped


def aged(patience: Patience, seconds: float) -> Patience:
    """As if nothing had come for so long."""
    patience._silent_since -= seconds
    return patience


def test_byte_a_second_is_silence_and_a_slow_line_is_none() -> None:
    patience = aged(Patience(300), 10)
    patience.came(10)
    assert patience.silence_s > 9
    patience.came(64_000)
    assert patience.silence_s < 1


def test_silence_is_said_and_ends_when_bytes_come() -> None:
    progress = DownloadProgress()
    patience = aged(Patience(300, progress=progress), 2)
    patience.look()
    assert progress.trouble is not None
    assert "slow" in progress.trouble.problem
    assert progress.trouble.gives_up_at_s == pytest.approx(time.monotonic() + 298, abs=1)
    patience.came(10_000)
    assert progress.trouble is None


def test_retry_is_said_and_counted() -> None:
    progress = DownloadProgress()
    Patience(300, progress=progress).failed("the connection broke", 2, is_over=lambda: True)
    assert progress.retries == 1
    assert progress.trouble is not None
    assert (progress.trouble.problem, progress.trouble.retries) == ("the connection broke", 2)


def test_connections_that_count_their_own_retries_do_not_turn_the_count_back() -> None:
    progress = DownloadProgress()
    patience = Patience(300, progress=progress)
    for attempt in (3, 1, 2):
        patience.failed("the connection broke", attempt, is_over=lambda: True)
        assert progress.trouble is not None
        assert progress.trouble.retries == 3


def test_pause_that_a_server_asks_for_is_said() -> None:
    progress = DownloadProgress()
    Patience(300, progress=progress).failed("the server answers 429", 1, pause_s=30, is_over=lambda: True)
    assert progress.trouble is not None
    assert progress.trouble.problem == "the server answers 429; the server asks to wait 30 s"


def test_patience_ends_with_the_last_problem() -> None:
    patience = aged(Patience(10), 11)
    with pytest.raises(TransferError, match="the server does not answer"):
        patience.look()
    with pytest.raises(TransferError, match="answers 503; the server asks to wait 60 s"):
        Patience(10).failed("the server answers 503", 1, pause_s=60)


def test_sleep_of_the_machine_does_not_count() -> None:
    patience = Patience(10)
    patience._looked_at -= 3600
    aged(patience, 3600).look()
    assert patience.silence_s < 1


def test_what_takes_long_for_other_reasons_does_not_count() -> None:
    patience = aged(Patience(10), 3600)
    patience.fresh()
    patience.look()


@pytest.mark.parametrize("pause_s", [0.0, -5.0, None])
def test_every_retry_waits(pause_s: float | None) -> None:
    began = time.monotonic()
    for _ in range(3):
        Patience(300).failed("no", 1, pause_s=pause_s)
    assert time.monotonic() - began > 3 * module._FIRST_WAIT_S / 2


def test_stop_ends_every_wait() -> None:
    stop = threading.Event()
    patience = Patience(300, stop)
    threading.Timer(0.2, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        patience.failed("no", 8, pause_s=100)
    with pytest.raises(Stopped):
        patience.wait_for_turn()
    assert time.monotonic() - began < 2
