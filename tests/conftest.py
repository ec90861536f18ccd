"""What every test stands on: an environment that says nothing, a home of its own, and one hypothesis profile."""

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

_PREFIXES: Final = ("HF_", "HUGGING_FACE_", "HUGGINGFACE_", "QUANTPICK_", "CUDA_", "NVIDIA_")
_NAMES: Final = frozenset(
    {
        *("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "TTY_INTERACTIVE"),
        *("COLUMNS", "LINES", "COLORTERM"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"),
        *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"),
    }
)
_home = pytest.StashKey[Path]()


def speaks_to_quantpick(name: str) -> bool:
    """Whether a variable of the developer's own shell could change what a test sees."""
    return name.upper() in _NAMES or name.upper().startswith(_PREFIXES)


def pytest_configure(config: pytest.Config) -> None:
    """Take the shell's settings away before anything reads them: huggingface_hub does so when it is imported."""
    for name in filter(speaks_to_quantpick, list(os.environ)):
        del os.environ[name]
    # A shell starts what runs in its background deaf to Ctrl-C, and children inherit that.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
    home = Path(tempfile.mkdtemp(prefix="quantpick-tests-"))
    config.stash[_home] = home
    os.environ |= {"HF_HOME": str(home / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    # A busy machine is not a fault of the code: speed has benchmarks.
    settings.register_profile("quantpick", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("quantpick")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the home."""
    shutil.rmtree(config.stash[_home], ignore_errors=True)


@pytest.fixture(autouse=True)
def _environment_is_handed_back() -> Iterator[None]:
    """End a test whose environment is not what it was: the next one would see it."""
    before = dict(os.environ)
    yield
    changed = {name for name in before.keys() | os.environ.keys() if before.get(name) != os.environ.get(name)}
    assert changed - {"PYTEST_CURRENT_TEST"} == set(), "the test left these variables changed"
