"""A Hub on loopback for each test, and huggingface_hub pointed at it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import close_session

from quantpick.demo.hub import HubRepo
from tests.fakes.hub import FaultyHub

Serve = Callable[..., FaultyHub]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Serve]:
    """Start a Hub with these repos; this process's huggingface_hub then talks to it, without login."""
    hubs: list[FaultyHub] = []

    def start(repos: dict[str, HubRepo], **arguments: Any) -> FaultyHub:
        hub = FaultyHub(repos, **arguments)
        hubs.append(hub)
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        return hub

    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield start
    close_session()
    for hub in hubs:
        hub.close()
