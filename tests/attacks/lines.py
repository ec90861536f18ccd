"""Attacks by whoever serves the bytes: faults of a line, servers that lie, endless and dripping answers."""

import contextlib
import json
import random
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import psutil

from quantpick.core.units import MIB
from quantpick.demo.hub import Request, Response
from tests.attacks.arena import (
    REPO,
    SIZE,
    Arena,
    Skipped,
    attack,
    download,
    ended,
    plain,
    ran,
    require,
    right,
)
from tests.fakes import cdn as faults
from tests.fakes.hub import Fault
from tests.fakes.raw import RawServer

SECRET = "hf_notasecretbutlookslikeone"


@attack("net", rounds=6)
def rough_line(arena: Arena) -> None:
    """Resets, 503, 429, refused links and outages, by chance."""
    dice = arena.dice
    kinds = [
        faults.resets(0.1),
        faults.answers(503, 0.2),
        faults.answers(429, 0.1, retry_after=dice.choice(["0", "1", "\xb2", "Wed, 21 Oct 2015 07:28:00 GMT", "-5"])),
        faults.answers(403, 0.05),
        faults.outage(6, 1.0),
    ]
    one = arena.world(bytes_per_s=30e6, interference=faults.together(*dice.sample(kinds, 3)))
    target = arena.folder / "model"
    argv = download(target, "--connections", "4", "--retry-for", "30")
    plain(ran(one, *argv, "--transport", dice.choice(["range", "hf_transfer"]), timeout_s=90), 0)
    right(one, target)


def _serves(script: Callable[[Any, int, int], None]) -> faults.Interference:
    def interference(handler: Any, start: int, end: int) -> bool:
        script(handler, start, end)
        handler.close_connection = True
        return True

    return interference


@attack("net", rounds=2)
def drip(arena: Arena) -> None:
    """A byte a second, in a header or in a body: the patience ends."""

    def script(handler: Any, start: int, end: int) -> None:
        handler.wfile.write(b"HTTP/1.1 206 Partial Content\r\n")
        if in_body:
            handler.wfile.write(b"Content-Length: %d\r\nContent-Range: " % (end - start))
            handler.wfile.write(b"bytes %d-%d/%d\r\n\r\n" % (start, end - 1, SIZE))
        try:
            while True:
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.5)
        except OSError:
            pass

    in_body = arena.dice.random() < 0.5
    one = arena.world(interference=_serves(script))
    began = time.monotonic()
    argv = download(arena.folder / "model", "--transport", "range", "--connections", "2", "--retry-for", "3")
    plain(ran(one, *argv, timeout_s=60), 7)
    require(time.monotonic() - began < 45, "the patience did not end")


@attack("net", rounds=3)
def endless(arena: Arena) -> None:
    """A range, a refusal or a redirect without an end: the memory stays."""
    status = arena.dice.choice(["206", "503", "302", "403"])

    def script(handler: Any, start: int, end: int) -> None:
        more = f"Content-Range: bytes {start}-{end - 1}/{SIZE}\r\n" if status == "206" else "Location: /again\r\n"
        handler.wfile.write(f"HTTP/1.1 {status} x\r\n{more}\r\n".encode())
        try:
            while True:
                handler.wfile.write(b"\0" * MIB)
        except OSError:
            pass

    one = arena.world(interference=_serves(script))
    transport = arena.dice.choice(["range", "hf_transfer"])
    argv = download(arena.folder / "model", "--connections", "4", "--retry-for", "3", "--transport", transport)
    process = one.start(*argv)
    most, began = 0, time.monotonic()
    while process.poll() is None and time.monotonic() - began < 40:
        try:
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            most = max(most, sum(member.memory_info().rss for member in family))
        except psutil.Error:
            pass
        time.sleep(0.05)
    plain(ended(process, 20), 0, 6, 7, 9)
    require(most < 500 * MIB, f"it took {most / MIB:.0f} MiB")


HEADS = [
    "204 x\r\n",
    "205 x\r\nContent-Length: 0\r\n",
    "206 x\r\nContent-Length: 3\r\nContent-Range: bytes 5-2/x\r\n",
    "200 x\r\nContent-Length: 3\r\nContent-Range: bytes 0-2/3\r\n",
    "203 x\r\nContent-Length: 3\r\n",
    "302 x\r\nContent-Length: 0\r\n",
    "304 x\r\n",
    "101 x\r\n",
    "103 x\r\nLink: x\r\n",
    "206 x\r\nContent-Length: -3\r\n",
    "206 x\r\nContent-Length: 3\r\nContent-Length: 4\r\n",
    "200 x\r\nTransfer-Encoding: chunked\r\n",
    "200 x\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n",
    "599 x\r\nContent-Length: 0\r\n",
]
"""Heads of answers that are neither a file nor a part of one."""


@attack("net", rounds=14, quick=True)
def strange_answers(arena: Arena) -> None:
    """204, 206 unasked, 302 to nowhere, 103, lengths that cannot be: a failing Hub or line, never damage."""
    head = HEADS.pop(0)
    HEADS.append(head)
    one = arena.world()
    with RawServer(lambda _: [f"HTTP/1.1 {head}\r\nabc".encode()]) as server:
        for what in (".*a.txt", ".*safetensors"):
            link = Response(302, b"", {"Location": f"{server.url}/x"})
            one.hub.faults[:] = [Fault(f"/resolve/{what}", link)]
            done = ran(one, *download(arena.folder / "model", "--retry-for", "2"), timeout_s=60)
            plain(done, 6, 7)
            require(len(done.stderr) < 500, f"many words: {done.stderr[:200]}")
        for path in ("refs", "tree"):
            one.hub.faults[:] = [Fault(f"/{path}", lambda _: Response(int(head[:3]), b"", {}))]
            plain(ran(one, "list", REPO, "--timeout", "5", timeout_s=60), 0, 6)


@attack("net", rounds=2)
def interim_flood(arena: Arena) -> None:
    """100 Continue without an end: neither a question nor a file waits for ever."""
    one = arena.world()

    def script(_: bytes) -> Any:
        while True:
            yield b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" * 500

    with RawServer(script) as server:
        plain(ran(one, "list", REPO, "--timeout", "5", HF_ENDPOINT=server.url, timeout_s=60), 6)
        one.hub.faults.append(Fault("/resolve/.*safetensors", Response(302, b"", {"Location": f"{server.url}/x"})))
        plain(ran(one, *download(arena.folder / "model", "--retry-for", "3"), timeout_s=60), 7)


@attack("norange", rounds=4)
def no_ranges(arena: Arena) -> None:
    """A server that knows nothing of ranges, from the start or from some moment on."""
    after = arena.dice.choice([0, 3])
    asked = [0]

    def interference(handler: Any, start: int, end: int) -> bool:
        asked[0] += 1
        return asked[0] > after and faults.whole_file(handler, start, end)

    one = arena.world(interference=interference)
    target = arena.folder / "model"
    argv = download(target, "--connections", "4", "--transport", arena.dice.choice(["range", "hf_transfer"]))
    plain(ran(one, *argv, timeout_s=60), 0)
    right(one, target)


@attack("norange", rounds=6, quick=True)
def two_faces(arena: Arena) -> None:
    """Ranges first, then a whole file of other bytes, or other bytes in a range: never exit 0 with wrong bytes."""
    lie = random.Random(arena.dice.random()).randbytes(MIB)
    whole = arena.dice.random() < 0.5
    share = arena.dice.uniform(0.2, 0.9)
    dice = random.Random(arena.dice.random())

    def interference(handler: Any, start: int, end: int) -> bool:
        if dice.random() > share:
            return False
        first, last = (0, SIZE) if whole else (start, end)
        head = "200 OK" if whole else "206 Partial Content"
        handler.wfile.write(f"HTTP/1.1 {head}\r\nContent-Length: {last - first}\r\n".encode())
        handler.wfile.write(b"" if whole else f"Content-Range: bytes {start}-{end - 1}/{SIZE}\r\n".encode())
        handler.wfile.write(b"\r\n")
        try:
            for at in range(first, last, MIB):
                handler.wfile.write(lie[: min(MIB, last - at)])
        except OSError:
            pass
        handler.close_connection = True
        return True

    one = arena.world(interference=interference)
    target = arena.folder / "model"
    transport = arena.dice.choice(["range", "hf_transfer"])
    argv = download(target, "--connections", "4", "--transport", transport, "--retry-for", "10")
    done = ran(one, *argv, timeout_s=90)
    plain(done, 0, 7, 9)
    if done.returncode == 0:
        right(one, target)
    else:
        require(not (target / "model.safetensors").exists(), "bytes that nobody verified have the final name")


@attack("net", rounds=3)
def wrong_lengths(arena: Arena) -> None:
    """Content-Length one too many or too few, another range, another size."""
    kind = arena.dice.choice(["more", "less", "other", "size"])

    def interference(handler: Any, start: int, end: int) -> bool:
        if asked.pop() if asked else False:
            return False
        if kind == "other":
            return faults.another_range(handler, start, end)
        length = end - start + {"more": 1, "less": -1}.get(kind, 0)
        size = SIZE + (kind == "size")
        handler.wfile.write(f"HTTP/1.1 206 x\r\nContent-Length: {length}\r\n".encode())
        handler.wfile.write(f"Content-Range: bytes {start}-{end - 1}/{size}\r\n\r\n".encode())
        handler.send_content(handler.file_path(), start, end)
        handler.close_connection = True
        return True

    asked = [arena.dice.random() < 0.5 for _ in range(400)]
    one = arena.world(interference=interference)
    target = arena.folder / "model"
    argv = download(target, "--connections", "4", "--transport", "range", "--retry-for", "10")
    done = ran(one, *argv, timeout_s=90)
    plain(done, 0, 7, 9)
    if done.returncode == 0:
        right(one, target)


@attack("net", rounds=4, quick=True)
def strange_redirects(arena: Arena) -> None:
    """The Hub sends a file's reader to file://, data:, a bad port, itself, or nowhere."""
    one = arena.world()
    where = arena.dice.choice(
        ["file:///etc/passwd", "data:,x", "http://127.0.0.1:99999/", "http://[", "/a b\x7f", "//", "gopher://x/"]
    )
    one.hub.faults.append(Fault("/resolve/.*safetensors", Response(302, b"", {"Location": where})))
    plain(ran(one, *download(arena.folder / "model", "--retry-for", "2"), timeout_s=30), 6, 7)


@attack("net", rounds=2)
def flood(arena: Arena) -> None:
    """Retry-After: 0 is no invitation to ask a thousand times a second."""
    one = arena.world()
    one.hub.faults.append(Fault("/resolve/", Response(429, b"", {"Retry-After": arena.dice.choice(["0", "-1", "x"])})))
    began = time.monotonic()
    plain(ran(one, *download(arena.folder / "model", "--retry-for", "4"), timeout_s=60), 6, 7)
    rate = len(one.hub.requests) / (time.monotonic() - began)
    require(rate < 40, f"{rate:.0f} requests a second")


@attack("proxy", rounds=2, quick=True)
def proxies(arena: Arena) -> None:
    """Proxies that cannot be: one clear line; and the token goes through none of them in clear."""
    one = arena.world()
    odd = arena.dice.choice(["socks5://127.0.0.1:1", "nonsense://127.0.0.1:1", "http://127.0.0.1:99999", "http://["])
    argv = download(arena.folder / "model", "--retry-for", "2")
    done = ran(one, *argv, timeout_s=60, HTTP_PROXY=odd, http_proxy=odd, NO_PROXY="", no_proxy="", HF_TOKEN=SECRET)
    plain(done, 2, 6, 7)
    require(SECRET not in done.stdout + done.stderr, "the token is shown")


@attack("proxy", rounds=6)
def rude_proxies(arena: Arena) -> None:
    """A proxy that wants a login, shows its own page, sends elsewhere, speaks something else: one short line."""
    one = arena.world()
    answer = arena.dice.choice(
        [
            b"HTTP/1.1 407 Login\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>",
            b"HTTP/1.1 302 Found\r\nLocation: http://portal.invalid/\r\nContent-Length: 0\r\n\r\n",
            b"\x00\xff" * 40_000,
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"",
        ]
    )
    plain(ran(one, "list", REPO), 0)
    with RawServer(lambda _: [answer]) as proxy:
        asked = {"HTTP_PROXY": proxy.url, "http_proxy": proxy.url, "NO_PROXY": "", "no_proxy": "", "HF_TOKEN": SECRET}
        for argv in (["list", REPO], download(arena.folder / "model", "--retry-for", "2")):
            done = ran(one, *argv, timeout_s=60, **asked)
            plain(done, 6, 7)
            require(len(done.stderr) < 500, f"many words: {done.stderr[:200]}")
            require(SECRET not in done.stderr, "the token is shown")


@attack("trust", rounds=2)
def token_stays(arena: Arena) -> None:
    """The token goes to the Hub alone: no other host, no command line, no output."""
    one = arena.world(bytes_per_s=20e6)
    seen: list[str] = []

    def interference(handler: Any, start: int, end: int) -> bool:
        seen.append(str(handler.headers))
        return False

    one.cdn.interference = interference
    transport = arena.dice.choice(["range", "hf_transfer"])
    argv = [*download(arena.folder / "model")[:-1], "--transport", transport, "--connections", "4"]
    process = one.start(*argv, HF_TOKEN=SECRET, QUANTPICK_DEBUG="1")
    lines = set()
    while process.poll() is None:
        try:
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            lines |= {" ".join(member.cmdline()) for member in family}
        except psutil.Error:
            pass
        time.sleep(0.05)
    done = ended(process)
    plain(done, 0)
    require(seen, "the other host was not asked")
    for text in (*seen, *lines, done.stdout, done.stderr):
        require(SECRET not in text, f"the token is in {text[:80]!r}")
    told = {line.strip() for text in seen for line in text.splitlines() if line.lower().startswith("referer:")}
    require(all(re.fullmatch(r"(?i)referer: http://127\.0\.0\.1:\d+/", line) for line in told), f"told: {told}")
    for path in arena.folder.rglob("*"):
        if path.is_file() and path.stat().st_size < MIB:
            require(SECRET.encode() not in path.read_bytes(), f"the token is in {path.name}")


@attack("net", rounds=2)
def dripping_api(arena: Arena) -> None:
    """The Hub itself drips: list ends too."""
    one = arena.world()

    def script(_: bytes) -> Any:
        yield b"HTTP/1.1 200 OK\r\nX: "
        while True:
            yield b"x"
            time.sleep(0.2)

    with RawServer(script) as server:
        began = time.monotonic()
        plain(ran(one, "list", "pub/Finch-0.1B-GPTQ", HF_ENDPOINT=server.url, timeout_s=150), 6)
        require(time.monotonic() - began < 140, "list waits for ever")


@attack("honest", rounds=3)
def kept_is_kept(arena: Arena) -> None:
    """What is said to be kept is kept."""
    one = arena.world(bytes_per_s=6e6)
    target = arena.folder / "model"
    process = one.start(*download(target)[:-1], "--connections", "4", "--transport", "range")
    while one.cdn.sent_bytes < SIZE // 3:
        time.sleep(0.01)
    process.send_signal(2)
    done = ended(process, 20)
    plain(done, 130)
    require("kept" in done.stderr, "it does not say what is kept")
    one.cdn.bytes_per_s = None
    data = json.loads(ran(one, *download(target)[:-1], "--json").stdout)["data"]
    require(data["bytes_reused"] >= SIZE // 4, f"only {data['bytes_reused']} bytes were reused")


SECOND_HEADS = [
    "Content-Encoding: gzip\r\n",
    "Content-Encoding: identity\r\nContent-Encoding: br\r\n",
    "Content-Length: 7\r\n",
    "Content-Range: bytes 0-6/7\r\n",
    "Content-Type: multipart/byteranges; boundary=x\r\n",
    "Transfer-Encoding: gzip\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
]
"""What makes the head of a range say two things."""


@attack("net", rounds=7, quick=True)
def two_heads(arena: Arena) -> None:
    """A range with other bytes and a head that says why: packed, two lengths, two ranges, several parts. It is seen."""
    more = SECOND_HEADS.pop(0)
    SECOND_HEADS.append(more)
    dice = random.Random(arena.dice.random())

    def interference(handler: Any, start: int, end: int) -> bool:
        if dice.random() < 0.5:
            return False
        handler.wfile.write(f"HTTP/1.1 206 x\r\nContent-Length: {end - start}\r\n".encode())
        handler.wfile.write(f"Content-Range: bytes {start}-{end - 1}/{SIZE}\r\n{more}\r\n".encode())
        try:
            for at in range(start, end, MIB):
                handler.wfile.write(bytes(min(MIB, end - at)))
        except OSError:
            pass
        handler.close_connection = True
        return True

    one = arena.world(interference=interference)
    target = arena.folder / "model"
    argv = download(target, "--connections", "4", "--transport", "range", "--retry-for", "20")
    plain(ran(one, *argv, timeout_s=90), 0)
    right(one, target)
    require(one.cdn.sent_bytes < 2.5 * SIZE, f"{one.cdn.sent_bytes / MIB:.0f} MiB of the file were sent")


@attack("net", rounds=4, quick=True)
def circles(arena: Arena) -> None:
    """Hub and second host redirect in a circle, alone or to one another; the token is told to neither stranger."""
    one = arena.world()
    with RawServer(lambda _: []) as there, RawServer(lambda _: []) as back:
        answer = "HTTP/1.1 %d x\r\nLocation: %s/y\r\nContent-Length: 0\r\n\r\n"
        status = arena.dice.choice([301, 302, 303, 307, 308])
        there.script = lambda _: [(answer % (status, back.url)).encode()]
        back.script = lambda _: [(answer % (status, arena.dice.choice([there.url, one.hub.url]))).encode()]
        where = arena.dice.choice([f"{there.url}/x", f"{one.hub.url}/{REPO}/resolve/x/model.safetensors"])
        one.hub.faults.append(Fault("/resolve/.*(safetensors|txt)", Response(status, b"", {"Location": where})))
        done = ran(one, *download(arena.folder / "model", "--retry-for", "2"), timeout_s=40, HF_TOKEN=SECRET)
        plain(done, 4, 6, 7)
        require(SECRET.encode() not in b"".join(there.heads + back.heads), "a stranger was told the token")
        require(len(there.heads) + len(back.heads) < 400, "it was asked hundreds of times")


@attack("net", rounds=4, quick=True)
def large_heads(arena: Arena) -> None:
    """A megabyte of headers, in one line or in many: one clear line, and no memory."""
    one = arena.world()
    line = arena.dice.choice(
        [b"X: " + b"x" * MIB + b"\r\n", (b"X: " + b"x" * 8000 + b"\r\n") * 130, b"X: y\r\n" * 200_000]
    )
    status = arena.dice.choice([b"200", b"302", b"404", b"503"])
    with RawServer(lambda _: [b"HTTP/1.1 " + status + b" x\r\n", line, b"Content-Length: 0\r\n\r\n"]) as server:
        done = ran(one, "list", REPO, "--timeout", "8", HF_ENDPOINT=server.url, timeout_s=60)
        plain(done, 4, 6)
        require(len(done.stderr) < 500, f"many words: {done.stderr[:200]}")
        one.hub.faults.append(Fault("/resolve/.*safetensors", Response(302, b"", {"Location": f"{server.url}/x"})))
        done = ran(one, *download(arena.folder / "model", "--retry-for", "2"), timeout_s=60)
        plain(done, 6, 7)
        require(len(done.stderr) < 500, f"many words: {done.stderr[:200]}")


@attack("net", rounds=4, quick=True)
def login_page(arena: Arena) -> None:
    """A network's login page takes the place of every answer from some moment on, 4 MiB of it, length said or not."""
    one = arena.world()
    page = (b"<html>please log in</html>" * 200_000)[: 4 * MIB]
    after, has_length = arena.dice.randint(0, 6), arena.dice.random() < 0.5
    asked = [0]

    def interference(handler: Any, start: int, end: int) -> bool:
        asked[0] += 1
        if asked[0] <= after:
            return False
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n")
        handler.wfile.write((b"Content-Length: %d\r\n" % len(page) if has_length else b"") + b"\r\n")
        with contextlib.suppress(OSError):
            handler.wfile.write(page)
        handler.close_connection = True
        return True

    one.cdn.interference = interference
    target = arena.folder / "model"
    argv = download(target, "--connections", "4", "--retry-for", "3")
    plain(ran(one, *argv, "--transport", arena.dice.choice(["range", "hf_transfer"]), timeout_s=60), 6, 7)
    one.cdn.interference = None
    before = one.cdn.sent_bytes
    plain(ran(one, *argv), 0)
    right(one, target)
    require(one.cdn.sent_bytes - before <= SIZE, "the page cost more than what was missing")


@attack("net", rounds=1, quick=True)
def without_ipv4(arena: Arena) -> None:
    """Hub and second host have IPv6 addresses alone."""
    one = arena.world()
    try:
        hub, cdn = (arena.stack.enter_context(relayed(url)) for url in (one.hub.url, one.cdn.url))
    except OSError as error:
        raise Skipped(f"no IPv6 here: {error}") from error
    link = one.cdn.link
    one.hub.link = lambda file: link(file).replace(one.cdn.url, cdn)
    target = arena.folder / "model"
    done = ran(one, *download(target), HF_ENDPOINT=hub, NO_PROXY="::1,[::1]", no_proxy="::1,[::1]")
    plain(done, 0)
    right(one, target)
    plain(ran(one, "list", REPO, HF_ENDPOINT=hub, NO_PROXY="::1,[::1]", no_proxy="::1,[::1]"), 0)


@contextlib.contextmanager
def relayed(url: str) -> Iterator[str]:
    """The address of a server on ::1 that passes all on to another."""
    listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    where = (urlsplit(url).hostname or "", urlsplit(url).port or 80)

    def passed(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def relay(ours: socket.socket) -> None:
        with ours, socket.create_connection(where) as theirs:
            back = threading.Thread(target=passed, args=(theirs, ours), daemon=True)
            back.start()
            passed(ours, theirs)
            back.join()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                ours, _ = listener.accept()
                threading.Thread(target=relay, args=(ours,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://[::1]:{listener.getsockname()[1]}"
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@attack("trust", rounds=2, quick=True)
def no_tls_any_more(arena: Arena) -> None:
    """A Hub with TLS redirects to an address without: no hash is taken from there, and the token stays."""
    one = arena.world()
    key, made = arena.folder / "key.pem", arena.folder / "cert.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    try:
        issued = subprocess.run([*command, "-keyout", str(key), "-out", str(made)], check=False, capture_output=True)
    except OSError as error:
        raise Skipped("needs openssl") from error
    require(issued.returncode == 0, "openssl makes no certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    to_api = arena.dice.random() < 0.5

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with_tls = "/refs" not in self.path if to_api else "/resolve/" not in self.path
            answer = one.hub.answer(asked_of(self)) if with_tls else None
            self.send_response(answer.status if answer else 302)
            for name, value in (answer.headers if answer else {"Location": f"{one.hub.url}{self.path}"}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) if answer else 0))
            self.end_headers()
            if answer and self.command == "GET":
                self.wfile.write(answer.body)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def shutdown_request(self, request: Any) -> None:
            with contextlib.suppress(OSError):
                super().shutdown_request(request)

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that went away is no news."""

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    arena.stack.callback(server.server_close)
    arena.stack.callback(server.shutdown)
    url = f"https://localhost:{server.server_address[1]}"
    asked: dict[str, Any] = {"HF_ENDPOINT": url, "SSL_CERT_FILE": str(made), "HF_TOKEN": SECRET}
    target = arena.folder / "model"
    done = ran(one, "list", REPO, **asked)
    plain(done, 6)
    require("without TLS" in done.stderr, done.stderr)
    # Bytes that have a hash may come from anywhere.
    plain(ran(one, *download(target), **asked), 6 if to_api else 0)
    require(not any("authorization" in request.headers for request in one.hub.requests), "the token went in clear")


def asked_of(handler: BaseHTTPRequestHandler) -> Request:
    """A request as the loopback Hub reads it."""
    address = urlsplit(handler.path)
    query = {key: values[0] for key, values in parse_qs(address.query).items()}
    headers = {key.lower(): value for key, value in handler.headers.items()}
    return Request(handler.command, unquote(address.path), query, headers)
