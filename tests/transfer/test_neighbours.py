"""Two processes at one folder or cache, and one after the other: nothing is lost, mixed or waited for in silence."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from quantpick.core.units import MIB
from quantpick.demo.cdn import sha256_of
from quantpick.demo.hub import HubFile, HubRepo
from tests.fakes.world import BRANCH, HF, REPO, SIZE, World

Make = Callable[..., World]


def killed(one: World, *argv: str, after_bytes: int) -> None:
    process = one.start(*argv)
    while one.cdn.sent_bytes < after_bytes:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.kill()
    process.communicate()


def ended(process: "subprocess.Popen[str]") -> int:
    process.communicate(timeout=60)
    return process.returncode


def waits(process: "subprocess.Popen[str]", word: str) -> str:
    """The first line on stderr that holds a word."""
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            return line
    raise AssertionError(f"never said `{word}`")


def test_smaller_wish_keeps_what_a_larger_one_left(world: Make, tmp_path: Path) -> None:
    one = world(bytes_per_s=8e6)
    folder = ["--local-dir", str(tmp_path / "model"), "--transport", "range", "-q"]
    killed(one, "download", REPO, "--revision", BRANCH, *folder, after_bytes=SIZE // 2)
    one.cdn.bytes_per_s = None
    done = one.run("download", REPO, "--revision", BRANCH, *folder, "--include", "config.json")
    assert done.returncode == 0, done.stderr
    before = one.cdn.sent_bytes
    rest = one.run("download", REPO, "--revision", BRANCH, *folder)
    assert rest.returncode == 0, rest.stderr
    assert one.cdn.sent_bytes - before < SIZE * 0.8, "what was there was fetched again"
    assert sha256_of(tmp_path / "model" / "model.safetensors") == sha256_of(one.weights)
    assert one.run("verify", str(tmp_path / "model")).returncode == 0


def test_two_wishes_at_once_both_come_true_and_are_both_known(world: Make, tmp_path: Path) -> None:
    one = world(bytes_per_s=12e6)
    folder = tmp_path / "model"
    argv = ["download", REPO, "--revision", BRANCH, "--local-dir", str(folder), "--connections", "1"]
    first = one.start(*argv, "--include", "*.safetensors")
    while one.cdn.sent_bytes < MIB:
        time.sleep(0.01)
    second = one.start(*argv, "--exclude", "*.safetensors")
    line = waits(second, "is held by")
    assert f"process {first.pid}" in line
    assert "since" in line
    assert [ended(process) for process in (first, second)] == [0, 0]
    checked = one.run("verify", str(folder), "--json")
    assert checked.returncode == 0, checked.stdout
    assert {file["path"] for file in json.loads(checked.stdout)["data"]["reports"][0]["files"]} == {
        *("config.json", "model.safetensors", "docs/a.txt", "docs/b.txt", "empty")
    }


def test_two_branches_at_once_never_mix(world: Make, tmp_path: Path) -> None:
    one = world(bytes_per_s=20e6)
    folder = ["--local-dir", str(tmp_path / "model"), "-q"]
    both = [one.start("download", REPO, "--revision", branch, *folder) for branch in ("main", BRANCH)]
    ends = [ended(process) for process in both]
    assert sorted(ends) == [0, 2]
    assert one.run("verify", str(tmp_path / "model")).returncode == 0


def test_stopped_holder_is_named_and_waited_for_no_longer_than_asked(world: Make, tmp_path: Path) -> None:
    one = world(bytes_per_s=4e6)
    argv = ["download", REPO, "--revision", BRANCH, "--local-dir", str(tmp_path / "model"), "--transport", "range"]
    first = one.start(*argv)
    while one.cdn.sent_bytes < MIB:
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        second = one.run(*argv, "--retry-for", "2")
        assert time.monotonic() - began < 10
        assert second.returncode == 7, second.stderr
        assert f"process {first.pid}" in second.stderr
        assert "which is stopped" in second.stderr
        waiting = one.start(*argv, "--retry-for", "60")
        waits(waiting, "stopped")
        one.cdn.bytes_per_s = None
    finally:
        first.send_signal(signal.SIGCONT)
    assert [ended(process) for process in (first, waiting)] == [0, 0]


def test_waiting_ends_with_ctrl_c(world: Make, tmp_path: Path) -> None:
    one = world(bytes_per_s=1e6)
    argv = ["download", REPO, "--revision", BRANCH, "--local-dir", str(tmp_path / "model"), "--transport", "range"]
    first = one.start(*argv)
    while one.cdn.sent_bytes < MIB:
        time.sleep(0.01)
    second = one.start(*argv)
    waits(second, "is held by")
    second.send_signal(signal.SIGINT)
    second.communicate(timeout=5)
    assert second.returncode == 130
    first.kill()
    first.communicate()


def test_files_that_left_the_branch_are_named(world: Make, tmp_path: Path) -> None:
    one = world()
    folder = tmp_path / "model"
    argv = ["download", REPO, "--revision", BRANCH, "--local-dir", str(folder), "--json"]
    assert one.run(*argv).returncode == 0
    files = [file for file in one.hub.repos[REPO].branches[BRANCH] if file.path != "docs/a.txt"]
    moved = [*files, HubFile.small("new.txt", "new\n")]
    one.hub.repos[REPO] = HubRepo({**one.hub.repos[REPO].branches, BRANCH: moved})
    done = one.run(*argv)
    assert json.loads(done.stdout)["data"]["left_behind"] == ["docs/a.txt"]
    assert "docs/a.txt" in done.stderr
    assert (folder / "docs" / "a.txt").exists()
    states = json.loads(one.run("verify", str(folder), "--json").stdout)["data"]["reports"][0]["files"]
    assert [file["path"] for file in states if file["state"] != "ok"] == ["docs/a.txt"]


def test_file_of_the_users_own_is_not_overwritten_without_a_word(world: Make, tmp_path: Path) -> None:
    one = world()
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("mine")
    argv = ["download", REPO, "--revision", BRANCH, "--local-dir", str(folder), "-q"]
    refused = one.run(*argv)
    assert refused.returncode == 2
    assert "config.json" in refused.stderr
    assert (folder / "config.json").read_text() == "mine"
    assert one.cdn.sent_bytes == 0
    assert one.run(*argv, "--exclude", "config.json").returncode == 0
    assert one.run(*argv, "--force").returncode == 0
    assert "mine" not in (folder / "config.json").read_text()


def test_large_file_of_the_users_own_that_only_has_the_size_is_not_overwritten_either(
    world: Make, tmp_path: Path
) -> None:
    one = world()
    folder = tmp_path / "model"
    folder.mkdir()
    with (folder / "model.safetensors").open("wb") as mine:
        mine.write(b"mine")
        mine.truncate(SIZE)
    argv = ["download", REPO, "--revision", BRANCH, "--local-dir", str(folder), "-q"]
    refused = one.run(*argv)
    assert refused.returncode == 2
    assert "model.safetensors" in refused.stderr
    with (folder / "model.safetensors").open("rb") as mine:
        assert mine.read(4) == b"mine"
    assert [path for path in one.hub.paths("/resolve/") if "docs" in path] == [], "nothing was fetched before"
    one.weights.replace(folder / "model.safetensors")
    one.weights.write_bytes(b"")
    assert one.run(*argv).returncode == 0, "the very same file is no stranger"
    assert one.cdn.sent_bytes == 0


def test_verify_repairs_what_is_broken_and_touches_nothing_else(world: Make, tmp_path: Path) -> None:
    one = world()
    folder = tmp_path
    for place in (["--local-dir", str(tmp_path / "model")], []):
        folder = Path(one.run("download", REPO, "--revision", BRANCH, *place, "-q").stdout.strip())
        before = (folder / "model.safetensors").resolve().stat()
        sent = one.cdn.sent_bytes
        (folder / "docs" / "a.txt").resolve().write_text("c\n")
        (folder / "empty").unlink()
        assert one.run("verify", str(folder)).returncode == 9
        done = one.run("verify", str(folder), "--repair", "--json")
        assert done.returncode == 0, done.stderr
        states = {file["path"]: file["state"] for file in json.loads(done.stdout)["data"]["reports"][0]["files"]}
        assert {path for path, state in states.items() if state == "repaired"} == {"docs/a.txt", "empty"}
        assert one.run("verify", str(folder)).returncode == 0
        after = (folder / "model.safetensors").resolve().stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        assert one.cdn.sent_bytes == sent
    weights = (folder / "model.safetensors").resolve()
    with weights.open("r+b") as file:
        file.seek(SIZE // 2)
        file.write(b"x" * 9)
    assert one.run("verify", f"{REPO}:{BRANCH}", "--repair").returncode == 0
    assert sha256_of(weights) == sha256_of(one.weights)


def test_repair_of_a_folder_that_nobody_knows_says_what_to_do(world: Make, tmp_path: Path) -> None:
    one = world()
    folder = tmp_path / "model"
    command = [HF, "download", REPO, "--revision", "main", "--local-dir", str(folder)]
    subprocess.run(command, env=one.environment, check=True, capture_output=True)
    (folder / "config.json").unlink()
    refused = one.run("verify", str(folder), "--repair")
    assert refused.returncode == 2, refused.stderr
    assert "quantpick download" in refused.stderr


def test_path_of_a_download_can_be_verified(world: Make) -> None:
    one = world()
    path = one.run("download", REPO, "--revision", "main", "-q").stdout.strip()
    assert one.run("verify", path, HF_HUB_OFFLINE="1").returncode == 0
    hf = subprocess.run(
        [HF, "download", REPO, "--revision", BRANCH, "--quiet"],
        env=one.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert one.run("verify", hf.stdout.strip()).returncode == 0, "a snapshot that hf made"


def test_clean_lists_and_removes_what_nobody_uses(world: Make, tmp_path: Path) -> None:
    one = world(bytes_per_s=8e6)
    folder = ["--local-dir", str(tmp_path / "model")]
    for place in (folder, []):
        argv = ["download", REPO, "--revision", BRANCH, *place, "--transport", "range", "-q"]
        killed(one, *argv, after_bytes=one.cdn.sent_bytes + SIZE // 4)
        where = [folder[1]] if place else []
        listed = json.loads(one.run("clean", *where, "--dry-run", "--json").stdout)["data"]
        assert {file["kind"] for file in listed["files"]} >= {"partial", "lock"}
        assert not any(file["removed"] for file in listed["files"])
        assert all(Path(file["path"]).exists() for file in listed["files"])
        running = one.start(*argv)
        while not _is_locked(one, where):
            time.sleep(0.05)
        used = json.loads(one.run("clean", *where, "--json").stdout)["data"]
        assert not any(file["removed"] for file in used["files"] if file["kind"] == "partial")
        running.kill()
        running.communicate()
        done = one.run("clean", *where, "--json")
        assert done.returncode == 0, done.stderr
        assert all(
            file["removed"] and not Path(file["path"]).exists() for file in json.loads(done.stdout)["data"]["files"]
        )
        left = [path for path in tmp_path.rglob("*quantpick*") if path.is_file() and path.name != "quantpick.json"]
        assert not [path for path in left if ".quantpick" in path.name], left


def _is_locked(one: World, where: list[str]) -> bool:
    return "in use" in one.run("clean", *where, "--dry-run").stdout


def test_clean_of_nothing_is_fine(world: Make, tmp_path: Path) -> None:
    one = world()
    assert one.run("clean").returncode == 0
    assert one.run("clean", str(tmp_path / "nowhere")).returncode == 4
    path = one.run("download", REPO, "--revision", "main", "-q").stdout.strip()
    assert one.run("clean").returncode == 0
    assert one.run("verify", path).returncode == 0


def test_dry_run_writes_nothing_into_the_folder(world: Make, tmp_path: Path) -> None:
    one = world()
    argv = ["download", REPO, "--revision", BRANCH, "--local-dir", str(tmp_path / "model"), "--dry-run"]
    assert one.run(*argv).returncode == 0
    assert not (tmp_path / "model").exists()


def test_long_name_is_a_name(world: Make, tmp_path: Path) -> None:
    one = world()
    small = [HubFile.small("s" * length, "x") for length in (245, 246, 247, 250, 251, 255)]
    one.hub.repos[REPO] = HubRepo({"main": [*small, HubFile.large("l" * 255, os.urandom(5 * MIB))]})
    one.hub.link = None
    for place in (["--local-dir", str(tmp_path / "model")], []):
        done = one.run("download", REPO, "--revision", "main", *place, "-q")
        assert done.returncode == 0, done.stderr
        assert one.run("verify", done.stdout.strip()).returncode == 0
