"""Attacks by whoever writes the words: names, hashes and sizes from a Hub or mirror, cards, configs, file names."""

import contextlib
import json
import os
import pty
import resource
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from quantpick.demo.hub import HubFile, HubRepo, Response
from tests.attacks.arena import BRANCH, REPO, Arena, attack, download, ended, plain, ran, require, right
from tests.fakes.hub import Fault

SHA1 = "0" * 40
EVIL_PATHS: list[Any] = [
    "../evil",
    "/tmp/evil-quantpick",
    "a/../../evil",
    "./x",
    "a//b",
    ".git/hooks/post-checkout",
    "",
    "\0",
    "a\\..\\b",
    "con",
    ".cache/huggingface/quantpick.json",
    "x" * 300,
    "\ud800",
    "-rf",
    "C:\\x",
    "a/b/c/" * 400,
]
EVIL_REFS: list[Any] = [
    "../../../../evil",
    "/tmp/evil-quantpick",
    "..",
    "a/../../b",
    "-rf",
    "a b",
    "\x1b[2J",
    "x" * 300,
    None,
    7,
    True,
    ["a"],
    "null",
    "refs/heads/x",
    "a.lock",
    "",
    "\ud800",
    "\u202ebpw",
]
EVIL_SIZES: list[Any] = [-1, 10**30, 0.5, float("nan"), float("inf"), True, "1", None, 2**63, [1]]
EVIL_HASHES: list[Any] = ["/../../evil", "../evil", "", "z" * 64, "0" * 63, None, 7, "0" * 64 + "/x", ["a"]]


def _outside(arena: Arena, before: set[Path]) -> None:
    """See that nothing was written but where it belongs."""
    allowed = [arena.folder / name for name in ("hf", "model", "mounted")]
    after = {path for path in arena.folder.rglob("*") if not any(path.is_relative_to(one) for one in allowed)}
    require(after <= before, f"written outside: {sorted(map(str, after - before))[:3]}")
    for path in (Path("/tmp/evil-quantpick"), arena.folder.parent / "evil"):
        require(not path.exists(), f"written outside: {path}")


@attack("tree", rounds=10, quick=True)
def evil_tree(arena: Arena) -> None:
    """File names, sizes and hashes that cannot be, in a branch's file list."""
    one = arena.world()
    dice = arena.dice
    before = set(arena.folder.rglob("*"))
    entry: dict[str, Any] = {"type": "file", "path": "model.safetensors", "oid": SHA1, "size": 9}
    for key, values in dice.sample(
        [("path", EVIL_PATHS), ("size", EVIL_SIZES), ("oid", EVIL_HASHES)], dice.randint(1, 2)
    ):
        entry[key] = dice.choice(values)
    if dice.random() < 0.5:
        entry["lfs"] = {"oid": dice.choice(EVIL_HASHES), "size": dice.choice(EVIL_SIZES)}
    commit = one.hub.repos[REPO].commit(BRANCH)
    one.hub.faults.append(
        Fault(f"/tree/{commit}", Response.of_json([entry, *([entry] if dice.random() < 0.3 else [])]))
    )
    done = ran(one, "list", REPO, "--json")
    plain(done, 0, 4, 6)
    plain(ran(one, *download(arena.folder / "model", "--retry-for", "2")), 0, 2, 4, 6, 7, 8, 9)
    plain(ran(one, "download", REPO, "--revision", BRANCH, "-q", "--retry-for", "2"), 0, 2, 4, 6, 7, 8, 9)
    _outside(arena, before)


@attack("tree", rounds=10)
def evil_refs(arena: Arena) -> None:
    """Branch names and commits that cannot be."""
    one = arena.world()
    before = set(arena.folder.rglob("*"))
    commit = one.hub.repos[REPO].commit("main")
    name = arena.dice.choice(EVIL_REFS)
    ref = {"name": name, "ref": f"refs/heads/{name}", "targetCommit": arena.dice.choice([commit, "../../x", None, 7])}
    good = {"name": "main", "ref": "refs/heads/main", "targetCommit": commit}
    one.hub.faults.append(Fault("/refs$", Response.of_json({"branches": [ref, good]})))
    plain(ran(one, "list", REPO), 0)
    wanted = name if isinstance(name, str) and name and "\0" not in name and name.isprintable() else "main"
    plain(ran(one, "download", REPO, f"--revision={wanted}", "-q"), 0, 2, 4, 6)
    plain(ran(one, "download", f"{REPO}:main", "-q"), 0)
    _outside(arena, before)


@attack("fuzz", rounds=25, quick=True)
def noise(arena: Arena) -> None:
    """Answers of the Hub are cut, flipped, nested, repeated."""
    one = arena.world()
    dice = arena.dice
    path = dice.choice(["/refs$", "/tree/", "config.json", "README.md", "/revision/"])

    def spoiled(request: Any) -> Response:
        body = bytearray(type(one.hub).__mro__[1].answer(one.hub, request).body)  # type: ignore[attr-defined]
        match dice.randrange(6):
            case 0:
                body = body[: dice.randrange(len(body) + 1)]
            case 1:
                for _ in range(dice.randint(1, 20)):
                    if body:
                        body[dice.randrange(len(body))] = dice.randrange(256)
            case 2:
                body = bytearray(b"[" * dice.choice([10, 100_000]))
            case 3:
                body = bytearray(dice.randbytes(500))
            case 4:
                body = bytearray(body.replace(b":", b":" + dice.choice([b"null ", b"NaN,", b"-1e999 ", b"{}"]), 1))
            case _:
                body = bytearray(json.dumps(dice.choice([None, 7, "x", [], {}, [[]], {"branches": {}}])).encode())
        return Response(200, bytes(body))

    one.hub.faults.append(Fault(path, spoiled))
    plain(ran(one, "list", REPO), 0, 4, 6)


@attack("trust", rounds=4)
def planted_code(arena: Arena) -> None:
    """json.py, hf_transfer.py and others lie in the repo and in the current folder."""
    one = arena.world(bytes_per_s=60e6)
    proof = arena.folder / "pwned"
    code = f"open({str(proof)!r}, 'w').write('x')\n"
    names = ["json.py", "hf_transfer.py", "signal.py", "ctypes.py", "os.py", "sitecustomize.py", "usercustomize.py"]
    files = [HubFile.small(name, code) for name in names]
    branches = one.hub.repos[REPO].branches
    one.hub.repos[REPO] = HubRepo({**branches, BRANCH: [*branches[BRANCH], *files]})
    here = arena.folder / "here"
    here.mkdir()
    if arena.dice.random() < 0.5:
        for name in names:
            (here / name).write_text(code)
    program = Path(sys.executable).parent / "quantpick"
    argv = [str(program), *download(Path("."), "--transport", arena.dice.choice(["hf_transfer", "auto"]), "--force")]
    done = subprocess.run(argv, cwd=here, env=one.environment, capture_output=True, text=True, check=False, timeout=90)
    plain(done, 0)
    right(one, here)
    require(not proof.exists(), "code from the repo ran")


@attack("trust", rounds=8, quick=True)
def links_in_the_cache(arena: Arena) -> None:
    """Links, pipes and files where the cache's own folders and records should be: nothing is written behind them."""
    one = arena.world()
    cache, outside = arena.folder / "cache", arena.folder / "outside"
    outside.mkdir()
    (outside / "model.safetensors.quantpick.incomplete").write_text("precious")
    repo = cache / f"models--{REPO.replace('/', '--')}"
    commit = one.hub.repos[REPO].commit("main")
    which = arena.dice.choice(["blobs", "refs", "snapshots", "quantpick", f"snapshots/{commit}", "refs/main"])
    spot = repo / which
    spot.parent.mkdir(parents=True)
    match arena.dice.randrange(3):
        case 0:
            os.mkfifo(spot)
        case 1:
            spot.symlink_to(outside)
        case _:
            spot.write_text("x")
    before = {path: path.read_bytes() for path in outside.iterdir()}
    argv = ["download", REPO, "--revision", "main", "--cache-dir", str(cache), "-q"]
    plain(ran(one, *argv, timeout_s=30), 8, *([0] if which == "refs/main" else []))
    plain(ran(one, "clean", "--cache-dir", str(cache), timeout_s=30), 0)
    require(before == {path: path.read_bytes() for path in outside.iterdir()}, "something changed behind the link")


@attack("tree", rounds=2, quick=True)
def another_config(arena: Arena) -> None:
    """A mirror sends another config than its file list has: its branches are left out, and it is kept nowhere."""
    one = arena.world()
    one.hub.faults.append(Fault("/config.json", Response(200, b'{"model_type": "llama"}')))
    plain(ran(one, "list", REPO), 6)
    plain(ran(one, "list", f"{REPO}:{BRANCH}"), 6)
    plain(ran(one, *download(arena.folder / "model")), 6)
    one.hub.faults.clear()
    plain(ran(one, "list", REPO), 0)


@attack("redos", rounds=1)
def many_branches(arena: Arena) -> None:
    """30,000 branches, and one that is asked for by a name that none has."""
    one = arena.world()
    commit = one.hub.repos[REPO].commit("main")
    names = [f"gptq-4bit-{n}g-act" for n in range(30_000)]
    refs = [{"name": name, "ref": f"refs/heads/{name}", "targetCommit": commit} for name in names]
    one.hub.faults.append(Fault("/refs$", Response.of_json({"branches": refs})))
    began = time.monotonic()
    plain(ran(one, "list", f"{REPO}:gptq-4bit-xg-act", timeout_s=60), 4)
    plain(ran(one, "list", REPO, "--timeout", "60", timeout_s=90), 0)
    took = time.monotonic() - began
    require(took < 60, f"it took {took:.0f} s")


@attack("trust", rounds=3)
def pasted_lines(arena: Arena) -> None:
    """What is printed to be pasted is pasted: it runs nothing but itself."""
    one = arena.world()
    proof = arena.folder / "pwned"
    name = arena.dice.choice(
        ["4bit-$(touch${IFS}%s)", "4bit-`touch${IFS}%s`", "4bit';touch${IFS}%s;'", "4bit&touch${IFS}%s"]
    )
    name = name % proof.name
    branches = one.hub.repos[REPO].branches
    one.hub.repos[REPO] = HubRepo({"main": branches["main"], name: branches[BRANCH]})
    here = arena.folder / "it's here"
    here.mkdir()
    stub = arena.folder / "bin"
    stub.mkdir()
    for tool in ("vllm", "quantpick", "python", "python3", "hf", "tabbyapi"):
        (stub / tool).write_text("#!/bin/sh\nexit 0\n")
        (stub / tool).chmod(0o755)
    asked = ["--gpu", "RTX 4090", "--loader", "vllm"]
    outputs = [
        ran(one, "recommend", REPO, *asked),
        ran(one, *download(here / "it's", branch=name)[:-1], *asked),
        ran(one, "recommend", REPO, "--vram", "0.1GiB"),
        ran(one, "list", f"{REPO}:nope"),
    ]
    for done in outputs:
        require("Traceback" not in done.stderr, done.stderr)
        for line in (done.stdout + done.stderr).splitlines():
            pasted = line.strip().removeprefix("hint: ")
            if pasted.split(" ")[0] in ("quantpick", "vllm", "python", "python3", "hf"):
                environment = {"PATH": f"{stub}:/usr/bin:/bin", "HOME": str(arena.folder)}
                subprocess.run(["/bin/sh", "-c", pasted], cwd=here, env=environment, check=False, capture_output=True)
    require(not (here / proof.name).exists(), f"a printed line ran the branch {shlex.quote(name)}")


@attack("screen", rounds=4)
def terminal(arena: Arena) -> None:
    """Names with markup, links and escape codes, on a terminal and off it."""
    one = arena.world(bytes_per_s=60e6)
    dice = arena.dice
    odd = dice.choice(
        ["model[/bold].safetensors", "[link=http://evil]x.safetensors", "[red]m.safetensors", ":x:[/].safetensors"]
    )
    branches = one.hub.repos[REPO].branches
    files = [
        HubFile(odd, file.size_bytes, file.sha256) if file.path == "model.safetensors" else file
        for file in branches[BRANCH]
    ]
    card = HubFile.small("README.md", "# \x1b[31mred\x1b]8;;http://evil\x07\n- [4bit \x1b[2J](x)\n")
    one.hub.repos[REPO] = HubRepo({"main": [*branches["main"], card], "4bit-128g[/bold]": files, BRANCH: files})
    for argv in (["list", REPO], ["list", REPO, "-q"], download(arena.folder / "model")[:-1]):
        done = ran(one, *argv)
        plain(done, 0, 6)
        require("\x1b" not in done.stdout + done.stderr, "escape codes without a terminal")
        output, code = _on_a_terminal(one, argv)
        require(code in (0, 6), f"exit {code} on a terminal: {output[-300:]!r}")
        require(b"MarkupError" not in output and b"Traceback" not in output, "markup of a name is read as markup")
        require(b"]8;" not in output and b"\x1b[2J" not in output, "a name writes to the terminal")


def _on_a_terminal(one: Any, argv: list[str]) -> tuple[bytes, int]:
    """What a command writes to a terminal of its own, and its exit code."""
    ours, process = _started_on_a_terminal(one, argv)
    output = b""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        output += piece
    os.close(ours)
    return output, process.wait(timeout=30)


def _started_on_a_terminal(one: Any, argv: list[str]) -> tuple[int, "subprocess.Popen[bytes]"]:
    """A command in a session of its own on a new terminal, and our end of that terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "quantpick", *argv],
        env=one.environment | {"TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    return ours, process


@attack("screen", rounds=2)
def stopped_and_continued(arena: Arena) -> None:
    """Ctrl-Z in the middle of a download on a terminal, and fg later: the cursor is there, and it goes on."""
    one = arena.world(bytes_per_s=6e6)
    ours, process = _started_on_a_terminal(one, [*download(arena.folder / "model")[:-1], "--retry-for", "3"])
    seen = []

    def read() -> None:
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 65536):
                seen.append(piece)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    while one.cdn.sent_bytes < 10 * 2**20 and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(7)
    before = len(seen)
    os.killpg(process.pid, signal.SIGCONT)
    one.cdn.bytes_per_s = None
    code = process.wait(timeout=60)
    reader.join(5)
    os.close(ours)
    require(code == 0, f"exit {code}: {b''.join(seen)[-300:]!r}")
    require(b"\x1b[?25l" not in b"".join(seen), "the cursor was hidden")
    require(b"".join(seen[before:]).startswith((b"\r\n", b"\n")), "what the shell wrote meanwhile was drawn over")
    right(one, arena.folder / "model")


@attack("redos", rounds=6)
def slow_words(arena: Arena) -> None:
    """Cards and configs of 2 MB that are made to be slow to read."""
    dice = arena.dice
    size = 2_000_000
    table, link = "| Branch | Bits |\n| --- | --- |\n", "https://huggingface.co/a/b/tree/"
    unit = dice.choice(
        [
            *("|", "| a ", "- [", "<td>", "`", "[a](", "4bit-", "<!--", "#", "\n> ", link, "| 4bit-128g | 4 |\n"),
            *("a: &x [*x,*x]\n", "\n\n", " ", "((", "~~~\n", "&amp;", "\\", "**", "<details>", "| --- "),
        ]
    )
    head = dice.choice(["", "---\n", table, "| "])
    text = head + unit * (size // len(unit))
    card = arena.folder / "card.md"
    card.write_text(f"# Model GPTQ\n{text}\n")
    one = arena.world()
    began = time.monotonic()
    plain(ran(one, "list", "--card", str(card), timeout_s=60), 0, 4)
    took = time.monotonic() - began
    require(took < 20, f"it took {took:.0f} s")


@attack("redos", rounds=1)
def many_files(arena: Arena) -> None:
    """50,000 shards and as many pickles in one branch."""
    one = arena.world()
    count = 25_000
    files = [HubFile(f"model-{n:05}-of-{count:05}.safetensors", 1, f"{n:064x}") for n in range(count)]
    files += [HubFile(f"pytorch_model-{n:05}-of-{count:05}.bin", 1, f"{n:064x}") for n in range(count)]
    config = next(file for file in one.hub.repos[REPO].branches[BRANCH] if file.path == "config.json")
    one.hub.repos[REPO] = HubRepo({"main": [config, *files]})
    began = time.monotonic()
    plain(ran(one, "list", REPO, timeout_s=100), 0, 4)
    plain(ran(one, *download(arena.folder / "model", "--dry-run", branch="main"), timeout_s=100), 0)
    took = time.monotonic() - began
    require(took < 60, f"it took {took:.0f} s")


@attack("redos", rounds=2)
def huge_tree(arena: Arena) -> None:
    """100,000 files with paths of 1,000 bytes, and one more than that: listed in time, or left out."""
    one = arena.world()
    one.hub.page_files = 5000
    deep = "/".join(["d" * 60] * 16)
    count = 100_000 if arena.dice.random() < 0.5 else 100_001
    branches = one.hub.repos[REPO].branches
    many = [HubFile(f"{deep}/{n:06}.bin", 1, f"{n:064x}") for n in range(count)]
    one.hub.repos[REPO] = HubRepo({"main": branches["main"], "4bit-128g": many})
    began = time.monotonic()
    plain(ran(one, "list", REPO, "--timeout", "60", timeout_s=100), 0, 6)
    plain(ran(one, *download(arena.folder / "model", "--dry-run", branch="main"), timeout_s=100), 0)
    require(time.monotonic() - began < 80, f"it took {time.monotonic() - began:.0f} s")


@attack("redos", rounds=2)
def huge_card(arena: Arena) -> None:
    """A card of 50 MB from the Hub, from a file, and one without an end from a pipe: no memory, no endless reading."""
    one = arena.world()
    unit = arena.dice.choice([b"- [4bit](x)\n", b"| 4bit-128g | 4 |\n", b"x", b"\0"])
    card = unit * (50_000_000 // len(unit))
    branches = one.hub.repos[REPO].branches
    one.hub.repos[REPO] = HubRepo({**branches, "main": [*branches["main"], HubFile.small("README.md", card)]})
    path = arena.folder / "card.md"
    path.write_bytes(b"# Finch GPTQ\n" + card)
    began = time.monotonic()
    plain(ran(one, "list", REPO, timeout_s=60), 0)
    plain(ran(one, "list", "--card", str(path), timeout_s=60), 0, 2, 4)
    for source in ("/dev/zero", "/dev/urandom"):
        with open(source, "rb") as endless:
            process = subprocess.Popen(
                [sys.executable, "-m", "quantpick", "list", "--card", "-"],
                env=one.environment,
                stdin=endless,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31)),
            )
            plain(ended(process, 60), 0, 2, 4, 8)
    require(time.monotonic() - began < 90, f"it took {time.monotonic() - began:.0f} s")
