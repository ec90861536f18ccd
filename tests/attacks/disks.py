"""Attacks by whatever lies under the files: kills, power, a full disk, damage, planted things."""

import errno
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from quantpick.core.units import MIB
from quantpick.demo.hub import HubFile, HubRepo
from tests.attacks.arena import (
    BRANCH,
    MODEL,
    REPO,
    SIZE,
    Arena,
    Skipped,
    attack,
    download,
    ended,
    image,
    killed,
    nothing_left,
    plain,
    power_off,
    ran,
    require,
    right,
    started_and_seen,
)

CARD = str(Path(__file__).parent.parent / "fixtures" / "cards" / "airoboros-c34b-gptq.md")


@attack("kills", rounds=12)
def kill(arena: Arena) -> None:
    """SIGKILL at any moment, any transport, then once more."""
    one = arena.world(bytes_per_s=10e6)
    target = arena.folder / "model"
    argv = download(target, "--connections", "4")
    for _ in range(arena.dice.randint(1, 4)):
        process = one.start(*argv, "--transport", arena.dice.choice(["hf_transfer", "range", "auto"]))
        time.sleep(arena.dice.uniform(0.2, 1.5))
        killed(process)
    one.cdn.bytes_per_s = None
    plain(ran(one, *argv), 0)
    right(one, target)
    nothing_left(target)
    plain(ran(one, "verify", str(target)), 0)


@attack("kills", rounds=6)
def kill_and_count(arena: Arena) -> None:
    """SIGKILL in the middle: what is fetched again is what was in flight."""
    one = arena.world(bytes_per_s=6e6)
    target = arena.folder / "model"
    argv = download(target, "--connections", "4", "--transport", "range")
    killed(started_and_seen(one, argv, SIZE // 2))
    one.cdn.bytes_per_s = None
    time.sleep(0.3)
    plain(ran(one, *argv), 0)
    again = one.cdn.sent_bytes - SIZE
    require(again <= 4 * 7 * MIB, f"{again / MIB:.0f} MiB were fetched again")


@attack("signals", rounds=20, quick=True)
def early_signal(arena: Arena) -> None:
    """SIGINT or SIGTERM while the program starts, ten times, by each of its names."""
    folder = Path(sys.executable).parent
    for how in ([str(folder / "quantpick")], [sys.executable, "-m", "quantpick"], [str(folder / "hf-quantpick")]) * 3:
        signum, code = arena.dice.choice([(signal.SIGINT, 130), (signal.SIGTERM, 143)])
        argv = [*how, "recommend", "--card", CARD, "--vram", "24", "-l", "exllama"]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(arena.dice.uniform(0.0, 0.4))
        process.send_signal(signum)
        done = ended(process, 20)
        if "quantpick/" in done.stderr.partition("Traceback")[2] or not done.stderr:
            plain(done, 0, code, -signum)
        # Else the interpreter spoke, before it had read a line of ours: that is not ours to mend.


@attack("signals", rounds=6)
def signals_again(arena: Arena) -> None:
    """SIGINT and SIGTERM one after the other while a download runs and ends: the first one's code, and no traceback."""
    one = arena.world(bytes_per_s=8e6)
    argv = download(arena.folder / "model", "--transport", arena.dice.choice(["range", "hf_transfer", "auto"]))
    process = started_and_seen(one, argv, arena.dice.randint(0, 20) * MIB)
    first = arena.dice.choice([signal.SIGINT, signal.SIGTERM])
    process.send_signal(first)
    for _ in range(arena.dice.randint(1, 5)):
        time.sleep(arena.dice.uniform(0, 0.05))
        process.send_signal(arena.dice.choice([signal.SIGINT, signal.SIGTERM]))
    done = ended(process, 20)
    plain(done, 130, 143)
    one.cdn.bytes_per_s = None
    plain(ran(one, *argv), 0)
    right(one, arena.folder / "model")
    nothing_left(arena.folder / "model")


@attack("powerloss", rounds=6)
def power(arena: Arena) -> None:
    """The power fails in the middle of a download onto ext4."""
    one = arena.world(bytes_per_s=4e6)
    with image(arena, 400) as disk:
        mounted = arena.mounted("loop", device=str(disk), kind="ext4")
        target = mounted / "model"
        argv = download(target, "--connections", "4", "--transport", arena.dice.choice(["range", "hf_transfer"]))
        process = started_and_seen(one, argv, arena.dice.randint(56, 68) * MIB)
        power_off(mounted)
        plain(ended(process, 30), 0, 8)
        subprocess.run(["umount", str(mounted)], check=True)
        subprocess.run(["mount", "-o", "loop", str(disk), str(mounted)], check=True)
        one.cdn.bytes_per_s = None
        before = one.cdn.sent_bytes
        plain(ran(one, *argv), 0)
        right(one, target)
        require(one.cdn.sent_bytes - before < SIZE, "nothing was reused")
        plain(ran(one, "verify", str(target)), 0)


@attack("powerloss", rounds=4)
def power_afterwards(arena: Arena) -> None:
    """The power fails right after exit 0, in a folder and in the cache."""
    one = arena.world()
    with image(arena, 400) as disk:
        mounted = arena.mounted("loop", device=str(disk), kind="ext4")
        target = mounted / "model"
        in_cache = arena.dice.random() < 0.5
        argv = download(target)
        if in_cache:
            argv = ["download", *argv[1:4], "--cache-dir", str(mounted / "cache"), "-q"]
        done = ran(one, *argv)
        plain(done, 0)
        power_off(mounted)
        subprocess.run(["umount", str(mounted)], check=True)
        subprocess.run(["mount", "-o", "loop", str(disk), str(mounted)], check=True)
        right(one, Path(done.stdout.strip()))
        before = one.cdn.sent_bytes
        plain(ran(one, *argv), 0)
        require(one.cdn.sent_bytes == before, "what was there was fetched again")


@attack("disk", rounds=4, quick=True)
def full(arena: Arena) -> None:
    """Somebody else fills the disk meanwhile."""
    one = arena.world(bytes_per_s=8e6)
    mounted = arena.mounted(f"size={SIZE + 40 * MIB}")
    target = mounted / "model"
    argv = download(target, "--connections", "4", "--transport", arena.dice.choice(["range", "hf_transfer"]))
    process = started_and_seen(one, argv, 10 * MIB)
    hog = mounted / "hog"
    try:
        with hog.open("wb") as file:
            while True:
                file.write(b"x" * MIB)
    except OSError:
        pass
    one.cdn.bytes_per_s = None
    plain(ended(process, 60), 8)
    hog.unlink()
    plain(ran(one, *argv), 0)
    right(one, target)


@attack("disk", rounds=6, quick=True)
def folder_taken_away(arena: Arena) -> None:
    """The folder is removed, moved or replaced meanwhile."""
    one = arena.world(bytes_per_s=8e6)
    target = arena.folder / "model"
    argv = download(target, "--connections", "4", "--transport", arena.dice.choice(["range", "hf_transfer"]))
    process = started_and_seen(one, argv, 20 * MIB)
    how = arena.dice.choice(["removed", "moved", "replaced"])
    target.rename(arena.folder / "elsewhere")
    if how == "removed":
        shutil.rmtree(arena.folder / "elsewhere")
    if how == "replaced":
        target.mkdir()
    one.cdn.bytes_per_s = None
    plain(ended(process, 60), 8)
    require(not (target / MODEL).exists(), "a file was given its name that nobody hashed")


@attack("disk", rounds=4)
def in_the_way(arena: Arena) -> None:
    """A folder, a link or a pipe lies where a file should."""
    one = arena.world()
    target = arena.folder / "model"
    (target / MODEL).mkdir(parents=True)
    (target / MODEL / "x").touch()
    plain(ran(one, *download(target)), 8)
    plain(ran(one, *download(arena.folder / "homeless"), HOME="/dev/null", HF_HOME="/dev/null/hf"), 0)
    plain(ran(one, *download(Path("~nouser/x"))), 2)
    plain(ran(one, *download(Path("/dev/full/x"))), 8)


@attack("corrupt", rounds=8)
def damaged_partial(arena: Arena) -> None:
    """Bytes of a partial file, or of its journal, are flipped, cut or made up."""
    one = arena.world(bytes_per_s=10e6)
    target = arena.folder / "model"
    argv = download(target, "--connections", "4", "--transport", "range")
    killed(started_and_seen(one, argv, SIZE // 2))
    one.cdn.bytes_per_s = None
    for path in (target / ".cache" / "huggingface" / "download").glob("*.quantpick.incomplete*"):
        with path.open("r+b") as file:
            match arena.dice.randrange(4):
                case 0:
                    file.seek(arena.dice.randrange(max(1, path.stat().st_size)))
                    file.write(arena.dice.randbytes(99))
                case 1:
                    file.truncate(arena.dice.randrange(max(1, path.stat().st_size)))
                case 2:
                    file.truncate(path.stat().st_size + 4096)
                case _:
                    file.seek(4096)
                    file.write(b"\2" * (path.stat().st_size - 4096 if path.suffix == ".journal" else 100))
    plain(ran(one, *argv), 0)
    right(one, target)


@attack("corrupt", rounds=4)
def few_damaged_blocks(arena: Arena) -> None:
    """A few blocks of a partial file rot while nobody looks: they alone come again, and exit is 0."""
    one = arena.world(bytes_per_s=10e6)
    target = arena.folder / "model"
    argv = download(target, "--connections", "4", "--transport", arena.dice.choice(["range", "hf_transfer", "auto"]))
    killed(started_and_seen(one, argv, SIZE * 2 // 3))
    one.cdn.bytes_per_s = None
    time.sleep(0.3)
    (partial,) = (target / ".cache" / "huggingface" / "download").glob("*.quantpick.incomplete")
    damaged = arena.dice.randint(1, 3)
    with partial.open("r+b") as file:
        for _ in range(damaged):
            file.seek(arena.dice.randrange(SIZE // 3))
            file.write(arena.dice.randbytes(arena.dice.choice([1, 4096])))
    before = one.cdn.sent_bytes
    plain(ran(one, *argv), 0)
    right(one, target)
    again = one.cdn.sent_bytes - before
    require(again < SIZE * 3 // 4, f"{again / MIB:.0f} MiB were fetched again")


@attack("corrupt", rounds=4, quick=True)
def damaged_records(arena: Arena) -> None:
    """Every record and note is emptied, cut off or made up."""
    one = arena.world()
    target = arena.folder / "model"
    plain(ran(one, *download(target)), 0)
    poison = [b"", b"\0" * 300, b"[" * 9000, b'{"repo_id": 7, "files": [["../x", -1, 0, 0]]}', b"\xff\xfe", b"null"]
    for path in (*(target / ".cache").rglob("*"), *one.home.rglob("*")):
        if path.is_file():
            path.write_bytes(arena.dice.choice(poison))
    plain(ran(one, "verify", str(target)), 4, 0)
    plain(ran(one, *download(target)), 0)
    plain(ran(one, "verify", str(target)), 0)
    right(one, target)


@attack("corrupt", rounds=3)
def flipped_bit(arena: Arena) -> None:
    """One bit of a finished file flips: seen, and mended by --repair alone, for the price of a block."""
    one = arena.world()
    target = arena.folder / "model"
    plain(ran(one, *download(target)), 0)
    with (target / MODEL).open("r+b") as file:
        at = arena.dice.randrange(SIZE)
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << arena.dice.randrange(8)]))
    before = one.cdn.sent_bytes
    plain(ran(one, "verify", str(target)), 9)
    plain(ran(one, "verify", str(target), "--repair"), 0)
    right(one, target)
    require(one.cdn.sent_bytes - before <= MIB, f"{(one.cdn.sent_bytes - before) / MIB:.0f} MiB were fetched again")


@attack("trust", rounds=4, quick=True)
def planted_links(arena: Arena) -> None:
    """Links, pipes and devices are planted at partial, journal, record, lock and final names."""
    one = arena.world()
    target = arena.folder / "model"
    victim = arena.folder / "victim"
    victim.write_text("precious")
    plain(ran(one, *download(target, "--include", "config.json")), 0)
    notes = target / ".cache" / "huggingface" / "download"
    sha256 = next(iter(one.cdn.files))
    which = hashlib.sha1(MODEL.encode(), usedforsecurity=False).hexdigest()[:8]
    partial = notes / f"{which}.{sha256}.quantpick.incomplete"
    spots = [partial, partial.with_name(partial.name + ".journal"), target / MODEL, target / "docs" / "a.txt"]
    spots += [target / ".cache" / "huggingface" / "quantpick.json", target / "empty"]
    (target / "docs").mkdir()
    for spot in spots:
        spot.unlink(missing_ok=True)
        match arena.dice.randrange(4):
            case 0:
                os.mkfifo(spot)
            case 1:
                spot.symlink_to("/dev/zero")
            case 2:
                os.link(victim, spot) if spot.parent == notes else spot.symlink_to(victim)
            case _:
                spot.symlink_to(victim)
    plain(ran(one, *download(target), timeout_s=30), 0, 2, 8)
    require(victim.read_text() == "precious", "the victim was overwritten")
    done = ran(one, *download(target, "--force"), timeout_s=30)
    plain(done, 0)
    right(one, target)
    require(not (target / MODEL).is_symlink(), "the final file is the attacker's link")
    require(victim.read_text() == "precious", "the victim was overwritten")


@attack("trust", rounds=2)
def linked_folders(arena: Arena) -> None:
    """A folder inside the target is a link that leads out of it."""
    one = arena.world()
    target, outside = arena.folder / "model", arena.folder / "outside"
    outside.mkdir()
    target.mkdir()
    (target / arena.dice.choice(["docs", ".cache"])).symlink_to(outside)
    plain(ran(one, *download(target)), 8)
    require(not list(outside.iterdir()), "something was written outside")
    real = arena.folder / "real"
    real.mkdir()
    (arena.folder / "mine").symlink_to(real)
    plain(ran(one, *download(arena.folder / "mine")), 0)
    right(one, real)


@attack("neighbours", rounds=4)
def two_branches(arena: Arena) -> None:
    """Two branches at once into one folder."""
    one = arena.world(bytes_per_s=20e6)
    target = arena.folder / "model"
    both = [one.start(*download(target, branch=branch)) for branch in ("main", "gptq-4bit-128g-actorder_True")]
    codes = sorted(ended(process).returncode for process in both)
    require(codes == [0, 2], f"they ended with {codes}")
    plain(ran(one, "verify", str(target)), 0)


@attack("neighbours", rounds=3)
def crowd(arena: Arena) -> None:
    """Four processes at once into one cache, one of them killed."""
    one = arena.world(bytes_per_s=20e6)
    argv = ["download", *download(arena.folder)[1:4], "-q", "--transport", "range"]
    crowd = [one.start(*argv) for _ in range(4)]
    time.sleep(arena.dice.uniform(0.8, 2.0))
    crowd[0].kill()
    done = [ended(process) for process in crowd]
    for process in done[1:]:
        plain(process, 0)
    right(one, Path(done[1].stdout.strip()))
    require(one.cdn.sent_bytes < 1.6 * SIZE, "they fetched it more than once")


@attack("neighbours", rounds=2)
def smaller_wish(arena: Arena) -> None:
    """A second command with --include comes while much is on its way: nothing of it goes."""
    one = arena.world(bytes_per_s=8e6)
    target = arena.folder / "model"
    argv = download(target, "--connections", "4", "--transport", "range")
    killed(started_and_seen(one, argv, 60 * MIB))
    one.cdn.bytes_per_s = None
    plain(ran(one, *argv, "--include", "config.json"), 0)
    before = one.cdn.sent_bytes
    plain(ran(one, *argv), 0)
    require(one.cdn.sent_bytes - before < SIZE // 2, "what was there was fetched again")


@attack("honest", rounds=3)
def says_what_is(arena: Arena) -> None:
    """What JSON and exit codes say is what lies on the disk."""
    one = arena.world()
    target = arena.folder / "model"
    done = ran(one, *download(target)[:-1], "--json")
    plain(done, 0)
    data = json.loads(done.stdout)["data"]
    for file in data["files"]:
        require((target / file["path"]).stat().st_size == file["size_bytes"], f"{file['path']} has another size")
    again = json.loads(ran(one, *download(target)[:-1], "--json").stdout)["data"]
    require((again["bytes_fetched"], again["transport"]) == (0, None), "a second run says that it fetched something")
    before = {path for path in arena.folder.rglob("*") if "model" in path.parts}
    plain(ran(one, *download(arena.folder / "dry", "--dry-run")), 0)
    require(not (arena.folder / "dry").exists(), "a dry run wrote into the folder")
    require(before == {path for path in arena.folder.rglob("*") if "model" in path.parts}, "files came or went")


@attack("kills", rounds=4)
def killed_repair(arena: Arena) -> None:
    """SIGKILL while --repair mends a damaged file: what was there stays, and a second --repair ends it."""
    one = arena.world()
    target = arena.folder / "model"
    plain(ran(one, *download(target)), 0)
    with (target / MODEL).open("r+b") as file:
        file.write(arena.dice.randbytes(60 * MIB))
    (target / "config.json").unlink()
    one.cdn.bytes_per_s = 6e6
    killed(started_and_seen(one, ["verify", str(target), "--repair"], SIZE + arena.dice.randint(1, 40) * MIB))
    one.cdn.bytes_per_s = None
    plain(ran(one, "verify", str(target), "--repair"), 0)
    plain(ran(one, "verify", str(target)), 0)
    right(one, target)
    nothing_left(target)


@attack("powerloss", rounds=3)
def power_twice(arena: Arena) -> None:
    """The power fails twice in one download, each time with another transport: what was synced stays."""
    one = arena.world(bytes_per_s=2e6)
    with image(arena, 400) as disk:
        mounted = arena.mounted("loop", device=str(disk), kind="ext4")
        target = mounted / "model"
        for transport in arena.dice.sample(["range", "hf_transfer", "auto"], 2):
            argv = download(target, "--connections", "4", "--transport", transport)
            process = started_and_seen(one, argv, 30 * MIB)
            power_off(mounted)
            plain(ended(process, 30), 0, 8)
            subprocess.run(["umount", str(mounted)], check=True)
            subprocess.run(["mount", "-o", "loop", str(disk), str(mounted)], check=True)
        one.cdn.bytes_per_s = None
        plain(ran(one, *download(target)), 0)
        right(one, target)
        require(one.cdn.sent_bytes < SIZE + 60 * MIB, f"{one.cdn.sent_bytes / MIB:.0f} MiB were sent in all")


@attack("disk", rounds=4, quick=True)
def narrow(arena: Arena) -> None:
    """Little may be had of files, memory, descriptors or the size of a file: one clear line, and then all is well."""
    one = arena.world()
    target = arena.folder / "model"
    kind, most = arena.dice.choice(
        [(resource.RLIMIT_FSIZE, 30 * MIB), (resource.RLIMIT_NOFILE, 12), (resource.RLIMIT_AS, 300 * MIB)]
    )
    argv = download(target, "--retry-for", "2", "--transport", arena.dice.choice(["range", "hf_transfer"]))
    process = subprocess.Popen(
        [sys.executable, "-m", "quantpick", *argv],
        env=one.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(kind, (most, most)),
    )
    plain(ended(process, 60), 0, 6, 7, 8)
    plain(ran(one, *argv), 0)
    right(one, target)


@attack("fuzz", rounds=12)
def scrambled_partial(arena: Arena) -> None:
    """Partial file and journal are cut, flipped, swapped and filled at random: exit 0 and the right bytes."""
    one = arena.world(bytes_per_s=10e6)
    target, dice = arena.folder / "model", arena.dice
    argv = download(target, "--connections", "4", "--transport", dice.choice(["range", "hf_transfer", "auto"]))
    killed(started_and_seen(one, argv, dice.randint(8, 60) * MIB))
    one.cdn.bytes_per_s = None
    for path in (target / ".cache" / "huggingface" / "download").glob("*.quantpick.incomplete*"):
        for _ in range(dice.randint(0, 5)):
            size = path.stat().st_size
            with path.open("r+b") as file:
                match dice.randrange(4):
                    case 0:
                        file.truncate(dice.randrange(2 * size + 1))
                    case 1:
                        file.seek(dice.randrange(size + 1))
                        file.write(dice.randbytes(dice.choice([1, 5, 4096])))
                    case 2:
                        file.seek(dice.randrange(size + 1))
                        file.write(bytes([dice.choice([0, 1, 2, 255])]) * min(size, dice.choice([50, 5000, 3 * MIB])))
                    case _:
                        content = file.read(4096)
                        file.seek(4096)
                        file.write(content)
    plain(ran(one, *argv), 0)
    right(one, target)
    nothing_left(target)


@attack("neighbours", rounds=2)
def busybodies(arena: Arena) -> None:
    """While a download runs, others clean, verify and repair the same place."""
    one = arena.world(bytes_per_s=6e6)
    in_cache = arena.dice.random() < 0.5
    place = ["--cache-dir", str(arena.folder / "cache")] if in_cache else ["--local-dir", str(arena.folder / "model")]
    argv = ["download", *download(arena.folder)[1:4], *place, "-q", "--connections", "4"]
    first = started_and_seen(one, argv, 15 * MIB)
    where = [f"{argv[1]}:{argv[3]}", *place] if in_cache else [place[1]]
    others = [
        one.start("clean", *(place if in_cache else place[1:])),
        one.start("verify", *where),
        one.start("verify", *where, "--repair"),
    ]
    time.sleep(2)
    one.cdn.bytes_per_s = None
    for process, codes in zip((first, *others), ((0,), (0,), (0, 4, 9), (0, 4)), strict=True):
        plain(ended(process), *codes)
    plain(ran(one, "verify", *where), 0)
    require(one.cdn.sent_bytes < 1.3 * SIZE, "it was fetched twice")


@attack("disk", rounds=4, quick=True)
def failing_sync(arena: Arena) -> None:
    """The disk takes every byte, and fails when it is told to keep them: exit 8, and no name for what may be lost."""
    one = arena.world()
    code, shim = arena.folder / "shim.c", arena.folder / "shim.so"
    code.write_text(
        "#include <errno.h>\n#include <stdlib.h>\nstatic int left = -1;\n"
        'static int fail(void) { if (left < 0) left = atoi(getenv("SYNCS"));\n'
        '  if (left > 0) { left--; return 0; } errno = atoi(getenv("SYNC_ERROR")); return -1; }\n'
        "int fsync(int fd) { return fail(); }\nint fdatasync(int fd) { return fail(); }\n"
    )
    try:
        made = subprocess.run(["cc", "-shared", "-fPIC", "-o", str(shim), str(code)], check=False, capture_output=True)
    except OSError as error:
        raise Skipped("needs a C compiler") from error
    require(made.returncode == 0, f"the shim is not made: {made.stderr!r}")
    target = arena.folder / "model"
    which = arena.dice.choice([errno.ENOSPC, errno.EIO, errno.EDQUOT])
    more = {"LD_PRELOAD": str(shim), "SYNCS": str(arena.dice.choice([0, 3, 9, 30])), "SYNC_ERROR": str(which)}
    done = ran(one, *download(target), timeout_s=60, **more)
    plain(done, 0, 8)
    if (target / MODEL).exists():
        right(one, target)
    plain(ran(one, *download(target)), 0)
    right(one, target)


@attack("corrupt", rounds=3, quick=True)
def holes(arena: Arena) -> None:
    """Holes are punched into a finished file, and its end is cut: a repair costs them alone."""
    one = arena.world()
    target = arena.folder / "model"
    plain(ran(one, *download(target)), 0)
    starts = arena.dice.sample(range(SIZE // MIB), arena.dice.randint(1, 5))
    for start in starts:
        punched = [
            "fallocate",
            "-p",
            "-o",
            str(start * MIB),
            "-l",
            str(arena.dice.choice([4096, MIB])),
            str(target / MODEL),
        ]
        if subprocess.run(punched, check=False, capture_output=True).returncode != 0:
            raise Skipped("this file system punches no holes")
    if arena.dice.random() < 0.5:
        os.truncate(target / MODEL, SIZE - 1)
    before = one.cdn.sent_bytes
    plain(ran(one, "verify", str(target)), 9)
    plain(ran(one, "verify", str(target), "--repair"), 0)
    right(one, target)
    again = one.cdn.sent_bytes - before
    require(again <= (len(starts) + 1) * MIB, f"{again / MIB:.0f} MiB were fetched again for {len(starts)} holes")


@attack("neighbours", rounds=3, quick=True)
def two_versions(arena: Arena) -> None:
    """Another quantpick, older or newer, wrote journal, record and checksums: right bytes, nobody's file is lost."""
    one = arena.world(bytes_per_s=10e6)
    target, dice = arena.folder / "model", arena.dice
    argv = download(target, "--connections", "4", "--transport", "range")
    killed(started_and_seen(one, argv, SIZE // 2))
    one.cdn.bytes_per_s = None
    huggingface = target / ".cache" / "huggingface"

    def rewritten() -> None:
        for path in (*(huggingface / "download").glob("*.journal"), *huggingface.rglob("*.sums")):
            content = path.read_bytes()
            head = json.loads(content[:4096]) | {"version": dice.choice([1, 2, 9, "3", None]), "more": 7}
            path.write_bytes(
                json.dumps(head).encode().ljust(4096) + content[4096 : dice.choice([None, -5, 4096 + 300])]
            )
        record = huggingface / "quantpick.json"
        said = json.loads(record.read_bytes()) | {"version": 9, "more": {"a": [1]}}
        said["files"] = [[*row, "more"] for row in said["files"]] if dice.random() < 0.5 else said["files"]
        record.write_text(json.dumps(said))

    rewritten()
    plain(ran(one, *argv), 0)
    right(one, target)
    rewritten()
    (target / "config.json").write_text("mine")
    plain(ran(one, *argv), 2)
    require((target / "config.json").read_text() == "mine", "a file of the user's was overwritten")
    with (target / MODEL).open("r+b") as file:
        file.seek(dice.randrange(SIZE))
        file.write(b"damage")
    plain(ran(one, *argv, "--force"), 0)
    right(one, target)


@attack("trust", rounds=6, quick=True)
def edited_files(arena: Arena) -> None:
    """A user edits, replaces or touches what was downloaded, and the branch moves: what is his stays, at any moment."""
    one = arena.world(bytes_per_s=30e6)
    target, dice = arena.folder / "model", arena.dice
    argv = download(target, "--transport", "range")
    if dice.random() < 0.5:
        killed(started_and_seen(one, argv, dice.randint(1, SIZE)))
    else:
        plain(ran(one, *argv), 0)
    one.cdn.bytes_per_s = None
    path = target / dice.choice(["config.json", "docs/a.txt", MODEL])
    there = path.exists()
    path.parent.mkdir(exist_ok=True)
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns - 10**9) if there else (1, 1)
    size = path.stat().st_size if there else 100
    mine = dice.randbytes(dice.choice([size, 99, size + 1]))
    path.unlink(missing_ok=True)
    path.write_bytes(mine)
    if dice.random() < 0.5:
        os.utime(path, ns=times)  # as from an archive, or under another clock
    if dice.random() < 0.5:
        branches = one.hub.repos[REPO].branches
        moved = [HubFile.small(one.path, b"new") if one.size_bytes < 10_000 else one for one in branches[BRANCH]]
        one.hub.repos[REPO] = HubRepo({**branches, BRANCH: moved})
    done = ran(one, *argv)
    plain(done, 2)
    require(path.read_bytes() == mine, "it was overwritten")
    require(path.name in done.stderr, f"it is not named: {done.stderr}")
    plain(ran(one, *argv, "--force"), 0)


@attack("trust", rounds=4, quick=True)
def planted_locks(arena: Arena) -> None:
    """Lock and checksum names are links, pipes, folders or second names of a file: nothing waits, nothing is harmed."""
    one = arena.world()
    cache, victim = arena.folder / "cache", arena.folder / "victim"
    victim.write_text("precious words")
    repo, locks = cache / "models--pub--Finch-0.1B-GPTQ", cache / ".locks" / "models--pub--Finch-0.1B-GPTQ"
    sha256 = next(iter(one.cdn.files))
    spots = [locks / f"{sha256}.lock", locks / "quantpick.lock", repo / "quantpick" / f"{sha256}.sums"]
    for spot in spots:
        spot.parent.mkdir(parents=True, exist_ok=True)
        match arena.dice.randrange(4):
            case 0:
                os.mkfifo(spot)
            case 1:
                spot.symlink_to(victim)
            case 2:
                spot.mkdir()
            case _:
                os.link(victim, spot)
    argv = ["download", *download(arena.folder)[1:4], "--cache-dir", str(cache), "-q"]
    plain(ran(one, *argv, timeout_s=30), 0, 8)
    for command in (["clean", "--cache-dir", str(cache)], ["verify", f"{REPO}:{BRANCH}", "--cache-dir", str(cache)]):
        plain(ran(one, *command, timeout_s=30), 0, 4, 8, 9)
    require(victim.read_text() == "precious words", "the victim was written to")


@attack("trust", rounds=3, quick=True)
def somebody_elses_cache(arena: Arena) -> None:
    """Another user owns the cache, whole or begun, readable or not: one clear line, and nothing of his is changed."""
    if os.geteuid() != 0:
        raise Skipped("needs root, to be two users")
    one = arena.world(bytes_per_s=20e6)
    cache = arena.folder / "cache"
    argv = ["download", *download(arena.folder)[1:4], "--cache-dir", str(cache), "-q", "--transport", "range"]
    if arena.dice.random() < 0.5:
        killed(started_and_seen(one, argv, SIZE // 3))
    else:
        plain(ran(one, *argv), 0)
    one.cdn.bytes_per_s = None
    mode = arena.dice.choice([0o755, 0o700, 0o555])
    for path in (cache, *cache.rglob("*")):
        if not path.is_symlink():
            path.chmod(mode if path.is_dir() else mode & 0o644)
    for path in (cache, *cache.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    before = {path: (path.lstat().st_mtime_ns, path.lstat().st_size) for path in cache.rglob("*")}
    # Root without root's rights is a stranger there.
    stranger = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner,-chown"]
    for command in (argv, ["verify", *argv[1:2], *argv[4:6]], ["clean", *argv[4:6]]):
        try:
            process = subprocess.Popen(
                [*stranger, sys.executable, "-m", "quantpick", *command],
                env=one.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        except OSError as error:
            raise Skipped("needs setpriv") from error
        done = ended(process, 60)
        plain(done, 0, 4, 6, 8, 9)
        require(len(done.stderr) < 600, f"many words: {done.stderr[:200]}")
    require(before == {path: (path.lstat().st_mtime_ns, path.lstat().st_size) for path in cache.rglob("*")}, "changed")


@attack("disk", rounds=2, quick=True)
def one_name(arena: Arena) -> None:
    """Two folders of the branch are one on the disk: what the second overwrote is no success."""
    one = arena.world()
    target = arena.folder / "model"
    branches = one.hub.repos[REPO].branches
    files = [*branches[BRANCH], HubFile.small("DOCS/a.txt", b"other"), HubFile.small("caf\u00e9", b"1")]
    one.hub.repos[REPO] = HubRepo(
        {**branches, BRANCH: [*files, HubFile.small("cafe\u0301", b"2"), HubFile.small("x.", b"3")]}
    )
    plain(ran(one, *download(target)), 0)
    plain(ran(one, "verify", str(target)), 0)
    for name in ("docs", "DOCS"):
        (arena.folder / "again" / name).mkdir(parents=True)
    again = arena.folder / "again"
    bound = subprocess.run(
        ["mount", "--bind", str(again / "docs"), str(again / "DOCS")], check=False, capture_output=True
    )
    if bound.returncode != 0:
        raise Skipped("cannot bind a folder")
    arena.stack.callback(subprocess.run, ["umount", "-l", str(again / "DOCS")], check=False, capture_output=True)
    done = ran(one, *download(again))
    plain(done, 2, 8)
    require("a.txt" in done.stderr, f"it is not named: {done.stderr}")
