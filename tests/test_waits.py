"""What is waited for before there is an answer is said: once, on stderr, and to nobody who did not ask."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import quantpick
from quantpick.demo.hub import Request, Response
from quantpick.errors import HubError
from quantpick.waits import Teller, told_to
from tests.fakes.hub import Fault
from tests.fakes.raw import RawServer
from tests.fakes.world import REPO, World, open_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as one:
        yield one


def test_busy_hub_is_named_with_the_pause_it_asks_for(world: World) -> None:
    world.hub.faults.append(Fault("/refs", Response(429, b"", {"Retry-After": "1"}), times=1))
    done = world.run("list", REPO)
    host = world.hub.url.removeprefix("http://")
    assert done.returncode == 0
    assert done.stderr.startswith(f"`{host}` limits the rate of requests (429); it asks to wait 1 s; trying again\n")


@pytest.mark.parametrize("how", ["-q", "--json"])
def test_script_that_wants_the_answer_alone_is_told_nothing(world: World, how: str) -> None:
    world.hub.faults.append(Fault("/refs", Response(503), times=1))
    done = world.run("list", REPO, how)
    assert (done.returncode, done.stderr) == (0, "")


def test_silent_hub_is_named_once(world: World) -> None:
    """It is silent until the program has said so, or would never."""
    said = threading.Event()

    def silent(_: Request) -> Response | None:
        said.wait(20)
        return None

    world.hub.faults.append(Fault("/refs", silent, times=1))
    process = world.start("list", REPO)
    assert process.stderr is not None
    assert process.stderr.readline() == f"waiting for `{world.hub.url.removeprefix('http://')}`\n"
    said.set()
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "waiting" not in rest


def test_python_api_prints_nothing(
    capfd: pytest.CaptureFixture[str], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.hub.faults.append(Fault("/refs", Response(503), times=1))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", world.hub.url)
    quantpick.list_branches(REPO)
    assert capfd.readouterr() == ("", "")


def test_each_thing_is_told_once_to_who_listened_first() -> None:
    heard: list[str] = []
    with told_to(heard.append):
        teller = Teller()
    for what in ("a", "b", "a"):
        teller.tell(what)
    Teller().tell("c")
    assert heard == ["a", "b"]


def test_network_that_sends_a_login_page_for_everything_is_named(world: World) -> None:
    page = Response(200, b"<html>Welcome to the hotel</html>", {"Content-Type": "text/html"})
    world.hub.faults.append(Fault("", page))
    done = world.run("list", REPO)
    assert done.returncode == HubError.exit_code
    assert "it sends a web page\nhint: does this network ask for a login in a browser?" in done.stderr


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy_that_wants_a_login_is_named(world: World, scheme: str) -> None:
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with RawServer(lambda _: [refusal]) as proxy:
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy.url)
        more = {"HF_ENDPOINT": f"{scheme}://hub.example", "NO_PROXY": "", "no_proxy": "", **proxies}
        done = world.run("list", REPO, **more)
    assert done.returncode == HubError.exit_code
    expected = "error: the proxy asks for a login (407)\nhint: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT\n"
    assert done.stderr == expected
