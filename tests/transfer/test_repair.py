"""A finished file that was damaged costs the damaged blocks; where their checksums are of no use, the whole file."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from quantpick.core.units import MIB
from quantpick.demo.cdn import sha256_of
from tests.fakes.world import BRANCH, REPO, SIZE, World

Make = Callable[..., World]


def downloaded(one: World, folder: Path | None, *more: str) -> Path:
    """The large file, at its place."""
    place = [] if folder is None else ["--local-dir", str(folder)]
    done = one.run("download", REPO, "--revision", BRANCH, *place, "-q", *more)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip()) / "model.safetensors"


def sums_of(one: World, root: Path) -> Path:
    (sums,) = root.rglob(f"{sha256_of(one.weights)}.sums")
    return sums


def flip(path: Path, at: int, count: int = 1) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        data = file.read(count)
        file.seek(at)
        file.write(bytes(byte ^ 1 for byte in data))


@pytest.mark.parametrize(("in_cache", "transport"), [(False, "range"), (True, "hf_transfer")])
def test_one_flipped_bit_costs_one_block(world: Make, tmp_path: Path, in_cache: bool, transport: str) -> None:
    one = world()
    weights = downloaded(one, None if in_cache else tmp_path / "model", "--transport", transport)
    for offsets in ([SIZE - 1], [0, 40 * MIB], [5 * MIB - 1, 5 * MIB]):
        for at in offsets:
            flip(weights.resolve(), at)
        before = one.cdn.sent_bytes
        assert one.run("verify", str(weights.parent)).returncode == 9
        assert one.run("verify", str(weights.parent), "--repair").returncode == 0
        assert sha256_of(weights) == sha256_of(one.weights)
        assert one.cdn.sent_bytes - before <= len(offsets) * MIB
    assert weights.is_symlink() == in_cache
    assert one.run("clean", *([] if in_cache else [str(tmp_path / "model")])).returncode == 0
    assert sums_of(one, tmp_path).exists(), "what is of use is not cleaned away"


def test_file_that_was_cut_off_or_made_longer_keeps_its_blocks(world: Make, tmp_path: Path) -> None:
    one = world()
    weights = downloaded(one, tmp_path / "model")
    for size, most in ((SIZE // 2, SIZE // 2 + MIB), (SIZE + 4096, 0)):
        os.truncate(weights, size)
        before = one.cdn.sent_bytes
        assert one.run("verify", str(weights.parent), "--repair").returncode == 0
        assert sha256_of(weights) == sha256_of(one.weights)
        assert one.cdn.sent_bytes - before <= most


def test_download_of_what_rotted_untouched_mends_it_at_the_same_price(world: Make, tmp_path: Path) -> None:
    one = world()
    weights = downloaded(one, tmp_path / "model")
    times = weights.stat().st_atime_ns, weights.stat().st_mtime_ns
    flip(weights, 30 * MIB)
    os.utime(weights, ns=times)
    before = one.cdn.sent_bytes
    downloaded(one, tmp_path / "model")
    assert sha256_of(weights) == sha256_of(one.weights)
    assert one.cdn.sent_bytes - before == MIB


def test_second_name_of_a_damaged_file_is_not_written_to(world: Make, tmp_path: Path) -> None:
    one = world()
    weights = downloaded(one, tmp_path / "model")
    os.link(weights, tmp_path / "mine")
    flip(weights, 7 * MIB)
    damaged = sha256_of(tmp_path / "mine")
    assert one.run("verify", str(weights.parent), "--repair").returncode == 0
    assert sha256_of(weights) == sha256_of(one.weights)
    assert sha256_of(tmp_path / "mine") == damaged


@pytest.mark.parametrize("how", ["gone", "cut", "noise", "folder", "link", "other"])
def test_checksums_that_are_of_no_use_cost_the_file_and_no_more(world: Make, tmp_path: Path, how: str) -> None:
    one = world()
    weights = downloaded(one, tmp_path / "model")
    sums, victim = sums_of(one, tmp_path), tmp_path / "victim"
    victim.write_bytes(b"precious")
    content = sums.read_bytes()
    sums.unlink()
    match how:
        case "cut":
            sums.write_bytes(content[:-1])
        case "noise":
            sums.write_bytes(content[:4096] + random.Random(7).randbytes(len(content) - 4096))
        case "folder":
            sums.mkdir()
        case "link":
            sums.symlink_to(victim)
        case "other":
            sums.write_bytes(content.replace(b'"size_bytes": 7', b'"size_bytes": 6'))
    flip(weights, 9 * MIB)
    assert one.run("verify", str(weights.parent), "--repair").returncode == 0
    assert sha256_of(weights) == sha256_of(one.weights)
    assert one.cdn.sent_bytes <= 2 * SIZE
    assert victim.read_bytes() == b"precious"


def test_checksums_that_lie_are_found_out_by_the_hash(world: Make, tmp_path: Path) -> None:
    """A damaged block whose checksum was made to fit: what was taken over comes again."""
    import zlib

    one = world()
    weights = downloaded(one, tmp_path / "model")
    sums = sums_of(one, tmp_path)
    flip(weights, 3 * MIB, 100)
    with weights.open("rb") as file:
        file.seek(3 * MIB)
        lie = zlib.crc32(file.read(MIB))
    with sums.open("r+b") as file:
        file.seek(4096 + 3 * 9 + 1)
        file.write(lie.to_bytes(4, "little"))
    assert one.run("verify", str(weights.parent), "--repair").returncode == 0
    assert sha256_of(weights) == sha256_of(one.weights)
    assert sums.read_bytes()[4096 + 3 * 9 + 1 :][:4] != lie.to_bytes(4, "little")


def test_checksums_of_what_is_gone_are_cleaned(world: Make, tmp_path: Path) -> None:
    one = world()
    weights = downloaded(one, None)
    sums = sums_of(one, tmp_path)
    weights.resolve().unlink()
    assert one.run("clean").returncode == 0
    assert not sums.exists()
    downloaded(one, tmp_path / "model")
    assert (
        one.run("download", REPO, "--revision", "main", "--local-dir", str(tmp_path / "model"), "--force").returncode
        == 0
    )
    assert not list((tmp_path / "model").rglob(f"{sha256_of(one.weights)}.sums")), "another branch is there now"
