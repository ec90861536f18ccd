"""`quantpick download` and `verify` as processes: what real huggingface_hub finds afterwards, and what a kill costs."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from quantpick.core.units import MIB, format_gb
from quantpick.demo.cdn import sha256_of
from quantpick.demo.hub import HubFile, HubRepo, Response
from tests.fakes.hub import Fault
from tests.fakes.world import BRANCH, HF, REPO, SECRET, SIZE, World


@pytest.mark.parametrize(("transport", "redirects_small"), [("hf_transfer", False), ("range", True)])
def test_cache_is_what_huggingface_hub_would_have_made(
    world: Callable[..., World], transport: str, redirects_small: bool
) -> None:
    one = world()
    one.hub.redirects_small = redirects_small
    done = one.run("download", REPO, "--revision", BRANCH, "--transport", transport, "-q")
    assert (done.returncode, done.stderr) == (0, "")
    sent = one.cdn.sent_bytes
    code = f"import huggingface_hub as h; print(h.snapshot_download({REPO!r}, revision={BRANCH!r}))"
    assert one.python(code) == done.stdout.strip()
    assert one.python(code, HF_HUB_OFFLINE="1") == done.stdout.strip()
    assert one.cdn.sent_bytes == sent, "huggingface_hub had to fetch something"
    folder = Path(done.stdout.strip())
    assert sha256_of(folder / "model.safetensors") == sha256_of(one.weights)
    assert (folder / "docs" / "a.txt").read_text() == "a\n"
    assert (folder / "empty").read_bytes() == b""
    assert not [path for path in one.home.rglob("*") if "incomplete" in path.name or "link-" in path.name]


def test_folder_is_what_hf_download_would_have_made(world: Callable[..., World], tmp_path: Path) -> None:
    one = world()
    folder = tmp_path / "model"
    assert one.run("download", REPO, "--revision", BRANCH, "--local-dir", str(folder), "-q").returncode == 0
    sent = one.cdn.sent_bytes
    command = [HF, "download", REPO, "--revision", BRANCH, "--local-dir", str(folder)]
    subprocess.run(command, env=one.environment, check=True, capture_output=True)
    assert one.cdn.sent_bytes == sent, "hf download had to fetch something"
    verify = [HF, "cache", "verify", REPO, "--revision", BRANCH, "--local-dir", str(folder), "--fail-on-missing-files"]
    checked = subprocess.run(verify, env=one.environment, check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and ".cache" not in path.parts
    } == {"config.json", "model.safetensors", "docs/a.txt", "docs/b.txt", "empty"}


def test_named_branch_is_asked_for_its_files_alone(world: Callable[..., World]) -> None:
    one = world()
    assert one.run("download", REPO, "--revision", BRANCH, "-q").returncode == 0
    assert len(one.hub.paths("/refs$")) == 1
    assert len(one.hub.paths("/tree/")) == 1
    assert one.hub.paths("README.md") == []
    assert len(one.hub.paths("config.json")) == 1, "as a file of the branch, not as a fact about it"


@pytest.mark.parametrize(("transport", "lost_per_connection"), [("hf_transfer", 8 * MIB), ("range", MIB)])
def test_kill_costs_what_was_in_flight(world: Callable[..., World], transport: str, lost_per_connection: int) -> None:
    one = world(bytes_per_s=8e6)
    argv = ["download", REPO, "--revision", BRANCH, "--transport", transport, "--connections", "4", "--json"]
    first = one.start(*argv)
    while one.cdn.sent_bytes < SIZE // 2 and first.poll() is None:
        time.sleep(0.01)
    first.kill()
    first.communicate()
    one.cdn.bytes_per_s = None
    time.sleep(0.3)
    done = one.run(*argv)
    data = json.loads(done.stdout)["data"]
    # What the kernel's socket buffers held counts as sent: up to 6 MiB a connection on Linux's loopback.
    assert one.cdn.sent_bytes - SIZE <= 4 * (lost_per_connection + 6 * MIB)
    assert data["bytes_reused"] > 0
    assert data["bytes_fetched"] + data["bytes_reused"] == data["bytes_total"]
    assert sha256_of(Path(data["path"]) / "model.safetensors") == sha256_of(one.weights)


def test_twenty_kills_on_random_transports_leave_the_right_file_and_nothing_else(world: Callable[..., World]) -> None:
    one = world(bytes_per_s=10e6)
    dice = random.Random(20)
    argv = ["download", REPO, "--revision", BRANCH, "--connections", "4", "-q", "--transport"]
    for _ in range(20):
        process = one.start(*argv, dice.choice(["hf_transfer", "range", "auto"]))
        time.sleep(dice.uniform(0.4, 1.2))
        process.kill()
        process.communicate()
    done = one.run(*argv, "auto")
    assert done.returncode == 0, done.stderr
    assert sha256_of(Path(done.stdout.strip()) / "model.safetensors") == sha256_of(one.weights)
    blobs = one.home / "hub" / f"models--{REPO.replace('/', '--')}" / "blobs"
    assert {len(path.name) for path in blobs.iterdir()} <= {40, 64}


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("transport", ["hf_transfer", "range"])
def test_signal_ends_it_with_its_code_and_what_is_kept(
    world: Callable[..., World], transport: str, signum: int, code: int
) -> None:
    one = world(bytes_per_s=4e6)
    process = one.start("download", REPO, "--revision", BRANCH, "--transport", transport, "--connections", "2")
    while one.cdn.sent_bytes < 20 * MIB:
        time.sleep(0.01)
    process.send_signal(signum)
    began = time.monotonic()
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - began < 15
    assert (process.returncode, out) == (code, "")
    assert "run the same command to go on" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("end", ["interrupt", "timeout"])
def test_what_is_said_to_be_kept_is_what_the_next_run_reuses(world: Callable[..., World], end: str) -> None:
    one = world(bytes_per_s=6e6)
    argv = ["download", REPO, "--revision", BRANCH, "--transport", "range", "--connections", "4"]
    process = one.start(*argv, *(["--timeout", "3"] if end == "timeout" else []))
    if end == "interrupt":
        while one.cdn.sent_bytes < 20 * MIB:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == (7 if end == "timeout" else 130)
    assert ("not done within the 3 s of `--timeout`" in err) == (end == "timeout")
    (kept,) = re.findall("kept (.*), run the same command to go on", err)
    one.cdn.bytes_per_s = None
    data = json.loads(one.run(*argv, "--json").stdout)["data"]
    assert kept == format_gb(data["bytes_reused"])


def test_two_processes_fetch_it_once(world: Callable[..., World]) -> None:
    one = world(bytes_per_s=20e6)
    argv = ["download", REPO, "--revision", BRANCH, "-q", "--transport", "range"]
    both = [one.start(*argv) for _ in range(2)]
    results = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], results
    assert SIZE <= one.cdn.sent_bytes < 1.1 * SIZE, "some bytes of a range that was split may come twice"


def test_hf_download_waits_for_it_and_finds_the_work_done(world: Callable[..., World]) -> None:
    one = world(bytes_per_s=10e6)
    first = one.start("download", REPO, "--revision", BRANCH, "-q", "--transport", "range", "--connections", "4")
    while one.cdn.sent_bytes < 10 * MIB:
        time.sleep(0.01)
    subprocess.run([HF, "download", REPO, "--revision", BRANCH], env=one.environment, check=True, capture_output=True)
    first.communicate()
    assert first.returncode == 0
    assert SIZE <= one.cdn.sent_bytes < 1.1 * SIZE, "some bytes of a range that was split may come twice"


def test_second_download_fetches_nothing_and_still_verifies(world: Callable[..., World]) -> None:
    one = world()
    argv = ["download", REPO, "--revision", BRANCH, "--json"]
    path = json.loads(one.run(*argv).stdout)["data"]["path"]
    sent = one.cdn.sent_bytes
    again = json.loads(one.run(*argv).stdout)["data"]
    assert (again["bytes_fetched"], again["transport"], one.cdn.sent_bytes) == (0, None, sent)
    damaged = (Path(path) / "model.safetensors").resolve()
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    assert json.loads(one.run(*argv).stdout)["data"]["bytes_fetched"] == 4321, "the last block alone"
    assert sha256_of(damaged) == sha256_of(one.weights)


def test_moved_branch_never_mixes_bytes(world: Callable[..., World], tmp_path: Path) -> None:
    one = world(bytes_per_s=8e6)
    argv = [
        "download",
        REPO,
        "--revision",
        BRANCH,
        "--local-dir",
        str(tmp_path / "model"),
        "-q",
        "--transport",
        "range",
    ]
    process = one.start(*argv)
    while one.cdn.sent_bytes < SIZE // 2:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    newer = tmp_path / "newer"
    newer.write_bytes(os.urandom(SIZE))
    file = HubFile("model.safetensors", SIZE, sha256_of(newer))
    one.cdn.files[str(file.sha256)] = newer
    one.cdn.bytes_per_s = None
    one.hub.repos[REPO] = HubRepo({**one.hub.repos[REPO].branches, BRANCH: [file]})
    assert one.run(*argv).returncode == 0
    assert sha256_of(tmp_path / "model" / "model.safetensors") == file.sha256
    assert not [path for path in (tmp_path / "model").rglob("*") if "incomplete" in path.name]


def test_two_branches_do_not_share_a_folder_without_force(world: Callable[..., World], tmp_path: Path) -> None:
    one = world()
    folder = ["--local-dir", str(tmp_path / "model"), "-q"]
    assert one.run("download", REPO, "--revision", "main", *folder).returncode == 0
    refused = one.run("download", REPO, "--revision", BRANCH, *folder)
    assert refused.returncode == 2
    assert f"holds `main` of `{REPO}`" in refused.stderr
    assert one.run("download", REPO, "--revision", BRANCH, *folder, "--force").returncode == 0
    assert sha256_of(tmp_path / "model" / "model.safetensors") == sha256_of(one.weights)


def test_folder_that_hf_filled_with_another_commit_is_not_overwritten(
    world: Callable[..., World], tmp_path: Path
) -> None:
    one = world()
    command = [HF, "download", REPO, "--revision", "main", "--local-dir", str(tmp_path / "model")]
    subprocess.run(command, env=one.environment, check=True, capture_output=True)
    refused = one.run("download", REPO, "--revision", BRANCH, "--local-dir", str(tmp_path / "model"))
    assert refused.returncode == 2


def test_pickles_are_left_out_when_safetensors_are_there(world: Callable[..., World]) -> None:
    one = world()
    done = one.run("download", REPO, "--revision", "main", "--json")
    data = json.loads(done.stdout)["data"]
    assert [file["path"] for file in data["files"]] == ["config.json", "model.safetensors"]
    assert "pickle" in done.stderr
    asked = one.run("download", REPO, "--revision", "main", "--include", "*.bin", "--json")
    assert [file["path"] for file in json.loads(asked.stdout)["data"]["files"]] == ["pytorch_model.bin"]


def test_without_a_revision_the_recommended_branch_is_fetched(world: Callable[..., World]) -> None:
    one = world()
    ask = ["--gpu", "RTX 4090", "--loader", "vllm==0.29.0", "--exclude", "*.safetensors"]
    best = one.run("recommend", REPO, *ask[:4], "-q").stdout.strip()
    done = one.run("download", REPO, *ask, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["data"]["branch"] == best
    assert "vllm serve" in done.stderr
    none = one.run("download", REPO, "--vram", "0.5GiB", "--loader", "vllm")
    assert (none.returncode, none.stdout) == (3, "")


def test_dry_run_fetches_nothing(world: Callable[..., World]) -> None:
    one = world()
    done = one.run("download", REPO, "--revision", BRANCH, "--dry-run", "--json")
    data = json.loads(done.stdout)["data"]
    assert (data["bytes_fetched"], one.cdn.sent_bytes) == (data["bytes_total"], 0)
    assert {file["verified"] for file in data["files"]} == {False}
    assert not (one.home / "hub").exists()


DOWNLOAD_KEYS = {
    "advice",
    "launch",
    "siblings",
    "left_out",
    "repo_id",
    "branch",
    "commit",
    "path",
    "transport",
    "files",
    "left_behind",
    "bytes_total",
    "bytes_fetched",
    "bytes_reused",
    "seconds",
}


def test_json_of_a_download_has_its_keys(world: Callable[..., World]) -> None:
    document = json.loads(world().run("download", REPO, "--revision", "main", "--json").stdout)
    assert (document["schema_version"], document["command"]) == (1, "download")
    assert set(document["data"]) == DOWNLOAD_KEYS
    assert all(set(file) == {"path", "size_bytes", "sha256", "verified"} for file in document["data"]["files"])


@pytest.mark.parametrize(
    ("argv", "faults", "code"),
    [
        (["--revision", "nope"], [], 4),
        (["--revision", "main", "--connections", "0"], [], 2),
        (["--revision", "main", "--include", "nothing"], [], 4),
        (["--revision", "main"], [Fault("model.safetensors", Response.error(403, "GatedRepo", "no"))], 5),
        (["--revision", "main"], [Fault("model.safetensors", Response.error(401, "GatedRepo", "no"))], 5),
        (["--revision", "main"], [Fault("/refs$", Response(200, b"?"))], 6),
        (["--revision", "main", "--retry-for", "1"], [Fault("model.safetensors", Response(503))], 7),
        (["--revision", "main", "--local-dir", "/dev/null/x"], [], 8),
        (["--revision", "main", "--local-dir", "/proc/nothing/x"], [], 8),
    ],
)
def test_each_end_has_its_exit_code(
    world: Callable[..., World], argv: list[str], faults: list[Fault], code: int
) -> None:
    one = world()
    one.hub.faults += faults
    done = one.run("download", REPO, *argv, HF_TOKEN=SECRET)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr


def test_damaged_content_is_exit_9_and_has_no_final_name(world: Callable[..., World], tmp_path: Path) -> None:
    one = world()
    content = bytearray(one.weights.read_bytes())
    content[SIZE // 3] ^= 1
    one.weights.write_bytes(content)
    done = one.run("download", REPO, "--revision", BRANCH, "--local-dir", str(tmp_path / "model"))
    assert done.returncode == 9
    assert not (tmp_path / "model" / "model.safetensors").exists()


def test_name_that_leads_out_of_the_folder_is_refused(world: Callable[..., World], tmp_path: Path) -> None:
    one = world()
    evil = HubFile.small("../evil.txt", "x")
    one.hub.repos[REPO] = HubRepo({"main": [*one.hub.repos[REPO].branches["main"], evil]})
    done = one.run("download", REPO, "--revision", "main", "--local-dir", str(tmp_path / "model"))
    assert done.returncode == 6
    assert "leads out of the folder" in done.stderr
    assert not (tmp_path / "evil.txt").exists()


def test_too_small_a_disk_is_said_before_the_first_byte(world: Callable[..., World], small_disk: Path) -> None:
    one = world()
    done = one.run("download", REPO, "--revision", BRANCH, "--local-dir", str(small_disk / "model"))
    assert done.returncode == 8
    assert "needed" in done.stderr
    assert "free" in done.stderr
    assert one.cdn.sent_bytes == 0


def test_verify_names_what_is_missing_damaged_and_extra(world: Callable[..., World], tmp_path: Path) -> None:
    one = world()
    folder = tmp_path / "model"
    one.run("download", REPO, "--revision", BRANCH, "--local-dir", str(folder), "-q")
    assert one.run("verify", str(folder)).returncode == 0
    (folder / "docs" / "a.txt").unlink()
    (folder / "docs" / "b.txt").write_text("c\n")
    (folder / "extra.bin").write_text("x")
    done = one.run("verify", str(folder), "--json", HF_HUB_OFFLINE="1")
    assert done.returncode == 9
    states = {file["path"]: file["state"] for file in json.loads(done.stdout)["data"]["reports"][0]["files"]}
    assert states["docs/a.txt"] == "missing"
    assert states["docs/b.txt"] == "damaged"
    assert states["extra.bin"] == "extra"
    assert states["model.safetensors"] == "ok"


def test_verify_reads_a_cached_branch_and_one_that_hf_fetched(world: Callable[..., World]) -> None:
    one = world()
    one.run("download", REPO, "--revision", "main", "-q")
    assert one.run("verify", REPO).returncode == 0
    subprocess.run([HF, "download", REPO, "--revision", BRANCH], env=one.environment, check=True, capture_output=True)
    assert one.run("verify", f"{REPO}:{BRANCH}").returncode == 0
    assert one.run("verify", "pub/nothing").returncode == 5
    blobs = one.home / "hub" / f"models--{REPO.replace('/', '--')}" / "blobs"
    weights = blobs / sha256_of(one.weights)
    weights.write_bytes(weights.read_bytes()[:-1])
    assert one.run("verify", f"{REPO}:{BRANCH}").returncode == 9


def test_log_without_a_terminal_has_no_escape_codes(world: Callable[..., World]) -> None:
    done = world().run("download", REPO, "--revision", BRANCH)
    assert done.returncode == 0
    assert "\x1b" not in done.stderr + done.stdout
    assert len(done.stderr.splitlines()) <= 4


def test_demo_is_honest_and_ends_well() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-m", "quantpick", "demo"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Killed with SIGKILL") == 2
    assert "gptq-4bit-32g-actorder_True\n4-bit GPTQ, group 32, act order: the best quality that fits" in done.stdout
    assert "What would help" in done.stdout
    assert "That was the whole job." in done.stdout
