"""A server that may be anyone: every question ends, takes no more than it may, and is one clear line."""

import gzip
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import close_session

from quantpick import list_branches
from quantpick.core.target import Target
from quantpick.demo.hub import HubFile, HubRepo, Request, Response
from quantpick.errors import AccessError, HubError, NotFoundError, QuantpickError, UsageError
from quantpick.hub import ask, client
from quantpick.hub.survey import survey
from tests.fakes.hub import Fault, FaultyHub
from tests.fakes.raw import RawServer, Script, slowly
from tests.hub.conftest import Serve
from tests.hub.repos import exl2_repo

REPO = "pub/Finch-7B-exl2"
SECRET = "hf_notasecretbutlookslikeone"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    monkeypatch.setattr(ask, "SLOW_FOR_S", 0.5)
    monkeypatch.setattr(client, "ATTEMPTS", 2)


def asked(monkeypatch: pytest.MonkeyPatch, server: RawServer, timeout_s: float = 20.0) -> QuantpickError:
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    close_session()
    with pytest.raises(QuantpickError) as caught:
        survey(Target(REPO), timeout_s=timeout_s)
    return caught.value


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 404 No\r\nX: ", b"x"),
    ],
    ids=["status", "header", "body", "refusal"],
)
@pytest.mark.usefixtures("impatient")
def test_server_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch, head: bytes, drop: bytes) -> None:
    began = time.monotonic()
    with RawServer(lambda _: ()) as server:
        server.script = slowly(lambda: server, head, drop, 0.05)
        error = asked(monkeypatch, server)
    assert isinstance(error, HubError)
    assert "too slow" in str(error)
    assert time.monotonic() - began < 10


def test_whole_answer_has_a_deadline(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fast enough at every moment, and without an end."""
    with RawServer(lambda _: ()) as server:
        server.script = slowly(lambda: server, OK + b"\r\n", b" " * 1000, 0.01)
        began = time.monotonic()
        error = asked(monkeypatch, server, timeout_s=1.0)
    assert "did not give the whole answer in 1 s" in str(error)
    assert time.monotonic() - began < 5


def _endless(head: bytes) -> Script:
    def script(_: bytes) -> Iterable[bytes]:
        yield head
        while True:
            yield b" " * 2**20

    return script


ENDLESS = {
    "body": OK + b"\r\n",
    "refusal": b"HTTP/1.1 404 Not Found\r\n\r\n",
    "busy": b"HTTP/1.1 503 Busy\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n",
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_endless_answer_is_cut(serve: Serve, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    with RawServer(_endless(ENDLESS[kind])) as server:
        asked(monkeypatch, server)
        assert server.sent_bytes < 64 * 2**20


def test_packed_answer_is_not_unpacked_without_bound(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = gzip.compress(b" " * 300 * 2**20, compresslevel=9)
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with RawServer(lambda _: [head, bomb]) as server:
        asked(monkeypatch, server)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 2**10, "more than 100 MiB"


def test_packed_answer_is_read(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = serve({REPO: exl2_repo()})
    plain = survey(Target(REPO, "4.25bpw"))

    def packed(request: Request) -> Response:
        response = FaultyHub.__mro__[1].answer(hub, request)  # type: ignore[attr-defined]
        return Response(200, gzip.compress(response.body), {**response.headers, "Content-Encoding": "gzip"})

    hub.faults.append(Fault("/refs$", packed))
    assert survey(Target(REPO, "4.25bpw")) == plain


HOSTILE: dict[str, list[bytes]] = {
    "redirects in a circle": [b"HTTP/1.1 302 Found\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n"],
    "redirect to a file": [b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n"],
    "redirect to data": [b"HTTP/1.1 302 Found\r\nLocation: data:text/plain,x\r\n\r\n"],
    "redirect to a bad port": [b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:99999/\r\n\r\n"],
    "redirect to half an address": [b"HTTP/1.1 302 Found\r\nLocation: http://[\r\n\r\n"],
    "redirect to nothing": [b"HTTP/1.1 302 Found\r\n\r\n"],
    "too long by one": [OK + b"Content-Length: 3\r\n\r\n{}"],
    "no HTTP": [b"SSH-2.0-OpenSSH_9.6\r\n"],
    "status of letters": [b"HTTP/1.1 abc OK\r\n\r\n"],
    "nothing": [b""],
    "half a packed body": [OK + b"Content-Encoding: gzip\r\n\r\n", b"\x1f\x8b\x08"],
    "packed body of noise": [OK + b"Content-Encoding: gzip\r\n\r\n", b"noise" * 9],
    "packing nobody asked for": [OK + b"Content-Encoding: br\r\n\r\n", b"noise"],
    "JSON ten thousand deep": [OK + b"\r\n", b"[" * 100_000],
    "JSON of one long number": [OK + b"\r\n", b"9" * 100_000],
    "not UTF-8": [OK + b"\r\n", b'{"branches": "\xff\xfe"}'],
    "header of letters": [b"HTTP/1.1 429 No\r\nRetry-After: \xc2\xb2\r\n\r\n"],
    "header without end": [OK + b"X: " + b"x" * 2**20],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_answer_is_one_clear_line(serve: Serve, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    with RawServer(lambda _: HOSTILE[kind]) as server:
        error = asked(monkeypatch, server)
    assert isinstance(error, HubError), error
    assert "\n" not in error.message


def test_login_is_shown_to_the_hubs_own_origin_only(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(lambda _: [OK + b"\r\n{}"]) as other:
        moved = b"HTTP/1.1 302 Found\r\nLocation: %s/x\r\nContent-Length: 0\r\n\r\n" % other.url.encode()
        with RawServer(lambda _: [moved]) as server:
            monkeypatch.setattr(constants, "ENDPOINT", server.url)
            with pytest.raises(NotFoundError, match="no branches"):
                survey(Target(REPO), token=SECRET)
            assert SECRET.encode() in server.heads[0]
        assert SECRET.encode() not in other.heads[0]


@pytest.mark.parametrize("token", ["hf_a\nX-Evil: 1", "hf_größe"])
def test_token_that_no_header_can_carry_is_said_so(serve: Serve, token: str) -> None:
    serve({REPO: exl2_repo()})
    with pytest.raises(UsageError, match="token") as caught:
        survey(Target(REPO), token=token)
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    "environment",
    [
        {"SSL_CERT_FILE": "/nowhere/ca.pem", "HF_ENDPOINT": "https://127.0.0.1:1"},
        {"ALL_PROXY": "socks5://127.0.0.1:1"},
        {"HTTP_PROXY": "nonsense://127.0.0.1:1"},
        {"HTTP_PROXY": "http://127.0.0.1:99999"},
        {"HF_ENDPOINT": "file:///etc"},
        {"HF_ENDPOINT": "http://["},
        {"HF_ENDPOINT": "nonsense"},
    ],
    ids=str,
)
def test_environment_that_cannot_work_is_no_bug(environment: dict[str, str], tmp_path: Path) -> None:
    with FaultyHub({REPO: exl2_repo()}) as hub:
        own = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "NO_PROXY": "", "QUANTPICK_TIMEOUT": "5"}
        done = subprocess.run(
            [sys.executable, "-m", "quantpick", "list", REPO],
            env={**os.environ, **own, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode in (2, 6), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.rpartition("; trying again\n")[2].startswith("error: ")


def test_mirror_without_refs_serves_a_named_revision(serve: Serve) -> None:
    """As Nexus and nexspence do, which answer 400 or 404 to every route they do not know."""
    hub = serve({REPO: exl2_repo()})
    whole = survey(Target(REPO, "4.25bpw"))
    hub.requests.clear()
    for status in (400, 404, 501):
        hub.faults = [Fault("/refs$", Response(status)), Fault("/tree/", Response(status))]
        facts = survey(Target(REPO, "4.25bpw"))
        assert facts.branches == whole.branches
        with pytest.raises(QuantpickError):
            survey(Target(REPO))
    assert hub.paths("/refs$")


def test_mirror_without_refs_still_says_what_is_missing(serve: Serve) -> None:
    hub = serve({REPO: exl2_repo()})
    hub.faults = [Fault("/refs$", Response(400))]
    with pytest.raises(NotFoundError, match="no such branch"):
        survey(Target(REPO, "5.0bpw"))
    hub.faults = [Fault("/refs$", Response(400)), Fault("/revision/", Response(400))]
    with pytest.raises(HubError, match="answers 400"):
        survey(Target(REPO, "4.25bpw"))
    hub.faults = [Fault("/revision/", Response.error(403, "GatedRepo", "no")), Fault("/refs$", Response(404))]
    with pytest.raises(AccessError):
        survey(Target(REPO, "4.25bpw"))


def test_404_without_a_code_blames_neither_the_repo_nor_the_branch_alone(serve: Serve) -> None:
    hub = serve({REPO: exl2_repo()})
    hub.faults = [Fault("", Response(404))]
    for target in (Target(REPO), Target(REPO, "4.25bpw")):
        with pytest.raises(NotFoundError, match=f"no repo `{REPO}`, or no such branch or file in it"):
            survey(target)


def test_facts_come_without_a_word_of_xet(serve: Serve) -> None:
    """A mirror may leave out every header of the Hub's."""
    files = [HubFile.large("model.safetensors", b"x" * 100), HubFile.small("config.json", "{}")]
    serve({REPO: HubRepo({"main": files})})
    (branch,) = survey(Target(REPO)).branches
    assert [file.sha256 for file in branch.files] == [files[0].sha256, None]


def test_time_for_an_answer_can_be_named(serve: Serve) -> None:
    serve({REPO: exl2_repo()}, latency_s=1.0)
    began = time.monotonic()
    with pytest.raises(HubError, match="did not give the whole answer"):
        list_branches(REPO, timeout_s=0.3)
    assert time.monotonic() - began < 1
    with pytest.raises(UsageError, match="a time of 0 s"):
        list_branches(REPO, timeout_s=0)
