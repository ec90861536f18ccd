"""Repos of GGUF files: what they cost to read, what is shown of them, and what is fetched."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from huggingface_hub import constants

from quantpick import list_branches, recommend
from quantpick.__main__ import main
from quantpick.core.gpu import Gpu
from quantpick.demo.hub import HubFile, HubRepo, Request, Response
from tests.fakes.gguf import LLAMA_8B, header
from tests.fakes.hub import Fault, weights
from tests.hub.conftest import Serve
from tests.hub.repos import exl2_branch

REPO = "pub/Finch-8B-GGUF"
GPU = Gpu(index=0, name="GPU", total_bytes=17 * 2**29, free_bytes=17 * 2**29, compute_capability=8.9)
HEAD = header(LLAMA_8B, vocabulary=128256)
WEIGHTS = 8_030_261_248
"""Of a Llama 3.1 8B."""
BPW = {"IQ2_M": 2.9294, "Q3_K_M": 4.00, "Q4_K_M": 4.8944, "Q6_K": 6.5633, "Q8_0": 8.5008}


def gguf(path: str, bpw: float, head: bytes = HEAD) -> HubFile:
    """A file of which the Hub has the header alone."""
    size = round(WEIGHTS * bpw / 8)
    return HubFile(path, size, f"{size:064x}", head)


def bartowski(*more: HubFile) -> HubRepo:
    """One branch: a file for each type, a split 16-bit copy in a folder, the matrix, a card."""
    files = [gguf(f"Finch-8B-{name}.gguf", bpw) for name, bpw in BPW.items()]
    copy = [gguf(f"Finch-8B-bf16/Finch-8B-bf16-0000{at}-of-00002.gguf", 8) for at in (1, 2)]
    card = HubFile.small("README.md", f"# Finch\n[Q8_0](https://huggingface.co/{REPO}/blob/main/Finch-8B-Q8_0.gguf)\n")
    return HubRepo({"main": [*files, *copy, HubFile.small("Finch-8B.imatrix", "x"), card, *more]})


def tiny(**arguments: Any) -> HubRepo:
    """A repo whose files are small and whole: a split set, one file, two projectors."""
    head = header({**LLAMA_8B, "llama.block_count": 2, "llama.embedding_length": 256}, vocabulary=64)
    parts = [HubFile.large(f"Finch-Q4_K_M-0000{at}-of-00003.gguf", head + bytes([at]) * 9000) for at in (1, 2, 3)]
    projectors = [HubFile.large(f"mmproj-{kind}.gguf", kind.encode() * 100) for kind in ("F32", "F16")]
    rest = [HubFile.large("Finch-Q8_0.gguf", head + b"8" * 40_000), HubFile.small("README.md", "# Finch\n")]
    return HubRepo({"main": [*parts, *projectors, *rest]}, **arguments)


def test_each_type_is_a_row_with_its_size_and_bits(serve: Serve) -> None:
    serve({REPO: bartowski()})
    table = list_branches(REPO)
    assert [branch.name for branch in table.branches] == list(BPW)
    for branch in table.branches:
        assert branch.size_bytes == round(WEIGHTS * BPW[branch.name] / 8)
        assert branch.quant.bpw == pytest.approx(BPW[branch.name], abs=0.001)
        assert branch.shape is not None
        assert (branch.shape.num_hidden_layers, branch.shape.vocab_size) == (32, 128256)
        assert not branch.shape.tie_word_embeddings, "its weights are as many as with a head of its own"
        assert branch.files is not None
        assert branch.files.imatrix
    assert {one.branch: one.reason for one in table.skipped} == {"BF16": "a 16-bit copy, not quantized"}
    assert table.warnings == ()


def test_three_requests_in_sequence_for_three_hundred_files(serve: Serve) -> None:
    more = [weights(f"UD-Q4_K_XL/Finch-8B-UD-Q4_K_XL-{at:05}-of-00290.gguf", 10**9 + at) for at in range(1, 291)]
    hub = serve({REPO: bartowski(*more)})
    table = list_branches(REPO)
    assert [len(branch.files.paths) for branch in table.branches if branch.files] == [1, 1, 1, 1, 1, 290]
    assert len(hub.paths("/refs$")) == len(hub.paths("/tree/")) == len(hub.paths("README.md")) == 1
    (head,) = [one for one in hub.requests if one.path.endswith(".gguf")]
    assert head.headers["range"] == "bytes=0-262143"
    assert len(hub.requests) == 4
    hub.requests.clear()
    assert list_branches(REPO) == table
    assert hub.paths() == [f"/api/models/{REPO}/refs"], "headers are kept by the hash of their file"
    assert list_branches(REPO, offline=True) == table


def test_mirror_that_ignores_ranges_is_read_no_further_than_asked(serve: Serve) -> None:
    hub = serve({REPO: bartowski()})
    whole = HEAD + bytes(20_000_000)
    hub.faults.append(Fault(r"\.gguf$", Response(200, whole)))
    assert all(branch.shape for branch in list_branches(REPO).branches)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"GGUF" + b"\xff" * 200, "of version 4294967295"),
        (b"<html>not found</html>", "is not a GGUF file"),
        (header({"general.architecture": "llama"}), "does not say block_count"),
    ],
)
def test_hostile_header_is_one_line_and_the_table_stands(
    serve: Serve, body: bytes, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = serve({REPO: bartowski()})
    hub.faults.append(Fault(r"\.gguf$", Response(200, body)))
    table = list_branches(REPO)
    assert [branch.name for branch in table.branches] == list(BPW)
    (warning,) = [one for one in table.warnings if one.code == "unread-header"]
    assert why in warning.message
    assert main(["list", REPO]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if why in line]
    assert len(lines) == 1


def test_poisoned_header_in_the_cache_is_asked_for_again(serve: Serve) -> None:
    serve({REPO: bartowski()})
    first = list_branches(REPO)
    (kept,) = Path(constants.HF_HOME).rglob("heads/*")
    kept.write_bytes(b"GGUF" + b"\xff" * 100)
    assert list_branches(REPO) == first
    assert kept.read_bytes().startswith(b"GGUF\x03")


def test_missing_header_leaves_the_files_listed(serve: Serve) -> None:
    """Without a header the shape is assumed, as for a card without a config."""
    hub = serve({REPO: bartowski()})
    hub.faults.append(Fault(r"\.gguf$", Response.error(404, "EntryNotFound", "Entry not found")))
    table = list_branches(REPO)
    assert [branch.name for branch in table.branches] == list(BPW)
    assert "assumed-shape" in {warning.code for warning in table.warnings}


@pytest.mark.parametrize("loader", ["llama.cpp", "koboldcpp", "ollama", "lmstudio", "textgen"])
def test_best_set_that_fits_is_recommended(serve: Serve, loader: str) -> None:
    serve({REPO: bartowski()})
    answer = recommend(REPO, loader=loader, gpus=[GPU])
    assert answer.recommended is not None
    assert answer.recommended.branch.name == "Q6_K"
    assert [choice.branch.name for choice in answer.choices] == ["Q6_K", "Q4_K_M", "Q3_K_M", "IQ2_M", "Q8_0"]
    launch = answer.recommended.launch
    assert launch is None or any("Finch-8B-Q6_K.gguf" in word for word in launch)


def test_json_names_kind_files_and_repo(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    serve({REPO: tiny()})
    assert main(["list", REPO, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert main(["schema"]) == 0
    jsonschema.validate(document, json.loads(capsys.readouterr().out))
    rows = document["data"]["branches"]
    assert [(row["repo_id"], row["kind"], row["name"], row["branch"]) for row in rows] == [
        (REPO, "files", "Q4_K_M", "main"),
        (REPO, "files", "Q8_0", "main"),
    ]
    assert rows[0]["files"] == [f"Finch-Q4_K_M-0000{at}-of-00003.gguf" for at in (1, 2, 3)]
    assert rows[0]["mmproj"] == ["mmproj-F16.gguf", "mmproj-F32.gguf"]
    assert (rows[0]["method"], rows[0]["bits"]) == ("gguf", 4)


@pytest.mark.parametrize(
    ("words", "fetched"),
    [
        (["--file", "Q4_K_M"], [f"Finch-Q4_K_M-0000{at}-of-00003.gguf" for at in (1, 2, 3)]),
        (["--file", "q8_0", "--mmproj"], ["Finch-Q8_0.gguf", "mmproj-F16.gguf"]),
        (["--file", "Finch-Q8_0.gguf"], ["Finch-Q8_0.gguf"]),
        (["--revision", "Q8_0"], ["Finch-Q8_0.gguf"]),
        (["--loader", "llama.cpp", "--vram", "24GiB"], ["Finch-Q8_0.gguf"]),
    ],
)
def test_download_fetches_exactly_the_set(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], fetched: list[str]
) -> None:
    repo = tiny()
    serve({REPO: repo})
    folder = tmp_path / "target"
    assert main(["download", REPO, *words, "--local-dir", str(folder), "--json"]) == 0
    assert sorted(one.name for one in folder.iterdir() if one.is_file()) == sorted(fetched)
    data = json.loads(capsys.readouterr().out)["data"]
    assert [file["path"] for file in data["files"]] == fetched
    assert data["branch"] == "main"
    contents = {file.path: file.content for file in repo.branches["main"]}
    assert all((folder / name).read_bytes() == contents[name] for name in fetched)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--file", "Q4"], "no GGUF file `Q4`"),
        (["--file", ""], "no GGUF file ``"),
        (["--file", "Q6_K", "--mmproj"], "no GGUF file `Q6_K`"),
        (["--revision", "Q6_K"], "no branch `Q6_K`"),
        (["--revision", "main", "--mmproj"], "no mmproj for a whole branch"),
    ],
)
def test_set_that_is_not_there_is_exit_4(
    serve: Serve, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    serve({REPO: tiny()})
    assert main(["download", REPO, *words]) == 4
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_next_commands_fetch_what_is_recommended(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    serve({REPO: tiny()})
    assert main(["recommend", REPO, "--loader", "llama.cpp", "--vram", "24GiB"]) == 0
    shown = capsys.readouterr().out
    assert f"quantpick download {REPO} --file Q8_0 --loader llama.cpp" in shown
    assert main(["recommend", REPO, "--loader", "llama.cpp", "--vram", "24GiB", "-q"]) == 0
    assert capsys.readouterr().out == "Q8_0\n"


def test_mmproj_is_in_the_memory_and_in_the_commands_where_it_is_asked_for(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    serve({REPO: tiny()})
    sizes = []
    for words in ([], ["--mmproj"]):
        argv = ["recommend", REPO, "--loader", "llama.cpp", "--vram", "24GiB", *words]
        assert main([*argv, "--json"]) == 0
        best = json.loads(capsys.readouterr().out)["data"]["recommended"]
        sizes.append(best["estimate"]["total_bytes"])
        assert ("--mmproj" in best["launch"]) == bool(words)
        assert main(argv) == 0
        assert ("--mmproj" in capsys.readouterr().out.split("quantpick download")[1].splitlines()[0]) == bool(words)
    assert sizes[1] - sizes[0] == 2 * len(b"F16" * 100)


def test_whole_branch_of_many_sets_is_fetched_as_hf_does_and_its_size_is_said_before(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = tiny()
    serve({REPO: repo})
    folder = tmp_path / "x"
    assert main(["download", REPO, "--revision", "main", "--local-dir", str(folder)]) == 0
    said = capsys.readouterr().err
    assert "main: all 2 sets of GGUF files in it are fetched" in " ".join(said.split())
    assert "--file Q4_K_M takes one" in " ".join(said.split())
    assert {one.name for one in folder.iterdir() if one.is_file()} == {file.path for file in repo.branches["main"]}
    for words in (["--file", "Q8_0"], ["--revision", "main", "--include", "*Q8_0*"]):
        assert main(["download", REPO, *words, "--local-dir", str(tmp_path / words[-1][:2])]) == 0
        assert "sets of GGUF" not in capsys.readouterr().err


def test_set_is_asked_about_as_a_branch_is(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    serve({REPO: bartowski()})
    assert [branch.name for branch in list_branches(f"{REPO}:q4_k_m").branches] == ["Q4_K_M"]
    answer = recommend(f"{REPO}:Q4_K_M", loader="llama.cpp", gpus=[GPU])
    assert [choice.branch.name for choice in answer.choices] == ["Q4_K_M"]
    assert main(["list", f"{REPO}:Q5_K_M"]) == 4
    assert "no branch `Q5_K_M`" in capsys.readouterr().err
    assert main(["list", f"{REPO}:BF16"]) == 4
    assert "a 16-bit copy" in capsys.readouterr().err


@pytest.mark.parametrize(("loader", "fits"), [("llama.cpp", False), ("koboldcpp", False), ("ik_llama.cpp", True)])
def test_types_of_ik_llama_cpp_are_for_it_alone(serve: Serve, loader: str, fits: bool) -> None:
    serve({REPO: HubRepo({"main": [gguf("Finch-8B-IQ4_KS.gguf", 4.3)]})})
    (choice,) = recommend(REPO, loader=loader, gpus=[GPU]).choices
    assert choice.fits == fits
    assert fits or {reason.code for reason in choice.reasons} == {"packing"}


@pytest.mark.parametrize("loader", ["llama.cpp", "ik_llama.cpp", "ollama"])
def test_types_that_were_withdrawn_are_for_nobody(serve: Serve, loader: str) -> None:
    serve({REPO: HubRepo({"main": [gguf("Finch-8B-Q4_0_4_8.gguf", 4.6), gguf("Finch-8B-Q4_0.gguf", 4.6)]})})
    choices = {choice.branch.name: choice for choice in recommend(REPO, loader=loader, gpus=[GPU]).choices}
    assert choices["Q4_0"].fits
    assert {reason.code for reason in choices["Q4_0_4_8"].reasons} == {"packing"}


def test_branches_stay_rows_beside_files(serve: Serve) -> None:
    branches = {"main": [gguf("Finch-Q4_K_M.gguf", 4.9)], "4.0bpw": exl2_branch(4, 4_000_000_000)}
    serve({REPO: HubRepo(branches)})
    table = list_branches(REPO)
    assert [(branch.name, branch.kind, branch.quant.method) for branch in table.branches] == [
        ("Q4_K_M", "files", "gguf"),
        ("4.0bpw", "branch", "exl2"),
    ]


def test_several_models_have_a_shape_each(serve: Serve) -> None:
    small = header({**LLAMA_8B, "llama.block_count": 16}, vocabulary=128256)
    files = [gguf("Finch-4B-Q8_0.gguf", 4.2, small), gguf("Finch-8B-Q8_0.gguf", 8.5), gguf("Finch-8B-Q4_0.gguf", 4.6)]
    serve({REPO: HubRepo({"main": files})})
    table = list_branches(REPO)
    layers = {branch.name: branch.shape.num_hidden_layers for branch in table.branches if branch.shape}
    assert layers == {"Finch-4B-Q8_0": 16, "Finch-8B-Q8_0": 32, "Q4_0": 32}
    assert "several-models" in {warning.code for warning in table.warnings}


def test_header_goes_through_a_redirect_without_the_login(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large files lie elsewhere: the login stays with the Hub, and the range goes along."""
    hub = serve({REPO: bartowski()})
    other = hub.url.replace("127.0.0.1", "localhost")
    asked: list[Request] = []

    def elsewhere(request: Request) -> Response | None:
        if "cdn" in request.query:
            asked.append(request)
            return Response(206, HEAD[: 2**18], {"Content-Range": f"bytes 0-262143/{5 * 10**9}"})
        return Response(302, b"", {"Location": f"{other}{request.path}?cdn=1"})

    hub.faults.append(Fault(r"\.gguf$", elsewhere))
    monkeypatch.setenv("HF_TOKEN", "hf_notasecretbutlookslikeone")
    assert all(branch.shape for branch in list_branches(REPO).branches)
    assert [("authorization" in one.headers, one.headers["range"]) for one in asked] == [(False, "bytes=0-262143")]


def _verified(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, dict[str, str]]:
    code = main(["verify", *argv, "--json"])
    captured = capsys.readouterr()
    assert code in (0, 9), captured.err
    (report,) = json.loads(captured.out)["data"]["reports"]
    return code, {file["path"]: file["state"] for file in report["files"]}


def test_set_is_verified_by_its_name_and_others_are_no_strangers(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve({REPO: tiny()})
    cache = str(tmp_path / "cache")
    for name in ("Q8_0", "Q4_K_M"):
        assert main(["download", REPO, "--file", name, "--cache-dir", cache, "-q"]) == 0
    folder = Path(capsys.readouterr().out.splitlines()[-1])
    parts = [f"Finch-Q4_K_M-0000{at}-of-00003.gguf" for at in (1, 2, 3)]
    where = ("--cache-dir", cache)
    assert _verified(capsys, f"{REPO}:Q8_0", *where) == (0, {"Finch-Q8_0.gguf": "ok"})
    assert _verified(capsys, f"{REPO}:q4_k_m", *where, "--offline") == (0, dict.fromkeys(parts, "ok"))
    assert _verified(capsys, REPO, *where) == (0, dict.fromkeys(["Finch-Q8_0.gguf", *parts], "ok"))
    (folder / parts[1]).resolve().write_bytes(b"x")
    assert _verified(capsys, f"{REPO}:Q8_0", *where)[0] == 0
    assert _verified(capsys, f"{REPO}:Q4_K_M", *where) == (9, {parts[0]: "ok", parts[1]: "damaged", parts[2]: "ok"})
    assert _verified(capsys, f"{REPO}:Q4_K_M", *where, "--repair")[0] == 0
    assert main(["verify", f"{REPO}:Q6_K", *where]) == 4


def test_folder_with_sets_is_verified_as_it_was_fetched(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve({REPO: tiny()})
    folder = tmp_path / "x"
    assert main(["download", REPO, "--file", "Q8_0", "--mmproj", "--local-dir", str(folder), "-q"]) == 0
    assert main(["download", REPO, "--file", "Q4_K_M", "--local-dir", str(folder), "-q"]) == 0
    capsys.readouterr()
    code, states = _verified(capsys, str(folder), "--offline")
    assert (code, set(states.values()), len(states)) == (0, {"ok"}, 5)
    (folder / "Finch-Q4_K_M-00003-of-00003.gguf").unlink()
    (folder / "mine.gguf").write_bytes(b"x")
    code, states = _verified(capsys, str(folder))
    assert code == 9
    assert {path: state for path, state in states.items() if state != "ok"} == {
        "Finch-Q4_K_M-00003-of-00003.gguf": "missing",
        "mine.gguf": "extra",
    }


def test_set_that_another_program_fetched_is_verified_without_the_others(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As ``hf download REPO FILE`` leaves it: no record of ours, and nobody wants all the other quantizations."""
    repo = tiny()
    serve({REPO: repo})
    cache = tmp_path / "cache"
    snapshot = cache / f"models--{REPO.replace('/', '--')}" / "snapshots" / repo.commit("main")
    snapshot.mkdir(parents=True)
    for file in repo.branches["main"]:
        if file.path == "Finch-Q8_0.gguf" or file.path.startswith("Finch-Q4_K_M-00001"):
            (snapshot / file.path).write_bytes(file.content or b"")
    where = ("--cache-dir", str(cache))
    assert _verified(capsys, f"{REPO}:Q8_0", *where) == (0, {"Finch-Q8_0.gguf": "ok"})
    missing = {f"Finch-Q4_K_M-0000{at}-of-00003.gguf": "missing" for at in (2, 3)}
    for place in ([REPO, *where], [str(snapshot)]):
        code, states = _verified(capsys, *place)
        assert (code, {path: state for path, state in states.items() if state != "ok"}) == (9, missing)


def test_repo_of_parts_to_be_joined_says_so_and_nothing_of_branches(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [weights(f"finch-70b.Q8_0.gguf-split-{letter}", 36 * 10**9 + ord(letter)) for letter in "ab"]
    serve({REPO: HubRepo({"main": parts})})
    assert main(["list", REPO]) == 4
    error = capsys.readouterr().err
    assert "`Q8_0`: cut into 2 parts that must be joined" in error
    assert "chooses among branches" not in error
    assert main(["download", REPO, "--file", "Q8_0"]) == 4
    assert "must be joined" in capsys.readouterr().err
