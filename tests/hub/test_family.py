"""The quantizations of one model, in whichever repo they lie: what is asked for, what belongs, what is judged."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from quantpick import download, recommend
from quantpick.__main__ import main
from quantpick.core.gpu import Gpu
from quantpick.demo.hub import HubFile, HubRepo, Response
from quantpick.errors import UsageError
from tests.fakes.gguf import LLAMA_8B, header
from tests.fakes.hub import Fault, FaultyHub, weights
from tests.hub.conftest import Serve
from tests.hub.repos import LLAMA_7B, config, exl2_branch

BASE = "orig/Finch-7B"
OWN = "pub/Finch-7B-GPTQ"
GPU = Gpu(index=0, name="GPU", total_bytes=24 * 2**30, free_bytes=24 * 2**30, compute_capability=8.9)
SMALL = Gpu(index=0, name="GPU", total_bytes=5 * 2**30, free_bytes=5 * 2**30, compute_capability=8.9)
QUANTIZED = (f"base_model:{BASE}", f"base_model:quantized:{BASE}")
HEAD = header({**LLAMA_8B, "llama.context_length": 8192}, vocabulary=32000)


def gptq(bits: int, size_bytes: int) -> list[HubFile]:
    section = {"quant_method": "gptq", "bits": bits, "group_size": 128, "desc_act": True, "sym": True}
    return [config(**section), weights("model.safetensors", size_bytes)]


def card(base: str = BASE, *named: str, relation: str = "") -> HubFile:
    links = "".join(f"* [{name}](https://huggingface.co/{name})\n" for name in named)
    said = f"base_model_relation: {relation}\n" if relation else ""
    text = f"---\nbase_model: {base}\n{said}---\n# Finch 7B\n\n## Repositories available\n\n{links}"
    return HubFile.small("README.md", text)


def gguf_repo(base: str = BASE, **arguments: Any) -> HubRepo:
    files = [
        HubFile(f"Finch-7B.{name}.gguf", size, f"{size:064x}", HEAD)
        for name, size in (("Q8_0", 7_700_000_000), ("Q4_K_M", 4_370_000_000), ("Q2_K", 2_700_000_000))
    ]
    return HubRepo({"main": [*files, card(base)]}, **({"tags": ("gguf", *QUANTIZED)} | arguments))


def awq_repo(**arguments: Any) -> HubRepo:
    section = {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm", "zero_point": True}
    files = [config(**section), weights("model.safetensors", 4_150_000_000), card()]
    return HubRepo({"main": files}, **({"tags": ("awq", *QUANTIZED)} | arguments))


def fp8_repo() -> HubRepo:
    section = {
        "quant_method": "compressed-tensors",
        "format": "float-quantized",
        "config_groups": {
            "group_0": {
                "targets": ["Linear"],
                "weights": {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": True},
                "input_activations": {"num_bits": 8, "type": "float", "strategy": "token", "dynamic": True},
            }
        },
    }
    return HubRepo({"main": [config(**section), weights("model.safetensors", 7_500_000_000), card()]}, tags=QUANTIZED)


def own(*named: str, **arguments: Any) -> HubRepo:
    branches = {"main": [*gptq(4, 4_160_000_000), card(BASE, *named)], "gptq-8bit-128g": gptq(8, 7_600_000_000)}
    return HubRepo(branches, **({"tags": QUANTIZED} | arguments))


def repos() -> dict[str, HubRepo]:
    """A family: the branches that are asked about, and four homes of the same model."""
    exl2 = {"main": [HubFile.small("measurement.json", "{}"), card()], "6.0bpw": exl2_branch(6, 5_600_000_000)}
    return {
        OWN: own(),
        "pub/Finch-7B-GGUF": gguf_repo(),
        "pub/Finch-7B-AWQ": awq_repo(),
        "big/Finch-7B-FP8-dynamic": fp8_repo(),
        "pub/Finch-7B-exl2": HubRepo(exl2, tags=("exl2", *QUANTIZED)),
    }


def test_every_home_of_the_model_is_a_row_with_its_repo(serve: Serve) -> None:
    serve(repos())
    answer = recommend(OWN, family=True, loader="vllm", gpus=[GPU])
    named = {choice.branch.name: choice.branch for choice in answer.choices}
    kinds = {name: branch.kind for name, branch in named.items()}
    assert [kinds[f"{OWN}:{name}"] for name in ("main", "gptq-8bit-128g")] == ["branch", "branch"]
    assert named["pub/Finch-7B-AWQ:main"].kind == "repo"
    assert named["big/Finch-7B-FP8-dynamic:main"].kind == "repo"
    assert named["big/Finch-7B-FP8-dynamic:main"].repo_id(OWN) == "big/Finch-7B-FP8-dynamic"
    assert {choice.branch.name for choice in answer.choices if choice.fits} >= {
        "big/Finch-7B-FP8-dynamic:main",
        "pub/Finch-7B-AWQ:main",
    }


def test_best_of_the_family_is_recommended_for_the_loader(serve: Serve) -> None:
    serve(repos())
    best = {
        loader: answer.recommended.branch.name
        for loader in ("llama.cpp", "exllamav2")
        if (answer := recommend(OWN, family=True, loader=loader, gpus=[GPU])).recommended
    }
    assert best == {"llama.cpp": "pub/Finch-7B-GGUF:Q8_0", "exllamav2": "pub/Finch-7B-exl2:6.0bpw"}


def test_no_loader_named_is_one_assumed_for_the_whole_family(serve: Serve) -> None:
    serve(repos())
    answer = recommend(OWN, family=True, gpus=[GPU])
    assert {choice.loader.loader.id for choice in answer.choices} == {answer.loader.loader.id}
    assert len(answer.choices) == 8


def test_base_model_itself_is_asked_about(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    """It holds no quantization, its family does."""
    serve({**repos(), BASE: HubRepo({"main": [config(), weights("model.safetensors", 14_500_000_000)]})})
    answer = recommend(BASE, family=True, loader="llama.cpp", gpus=[GPU])
    assert answer.recommended is not None
    assert answer.recommended.branch.name == "pub/Finch-7B-GGUF:Q8_0"
    assert main(["recommend", BASE, "--vram", "24GiB"]) == 4
    assert "--family" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("repo", "why"),
    [
        (gguf_repo(tags=("gguf", f"base_model:{BASE}", f"base_model:finetune:{BASE}")), "by `finetune`"),
        (gguf_repo(tags=("gguf", f"base_model:{BASE}", f"base_model:adapter:{BASE}")), "by `adapter`"),
        (gguf_repo(tags=(*QUANTIZED, "base_model:other/Wren-7B", "base_model:merge:other/Wren-7B")), "2 models"),
        (gguf_repo(tags=("gguf", "base_model:quantized:other/Wren-7B")), "made from other/Wren-7B"),
        (gguf_repo(tags=("gguf",)), "nobody says"),
        (gguf_repo(base="[orig/Finch-7B, other/Wren-7B]"), "made from 2 models, its card says"),
        (gguf_repo(base="other/Wren-7B"), "its card says that it is made from other/Wren-7B"),
    ],
)
def test_what_is_not_the_same_model_is_no_row(serve: Serve, repo: HubRepo, why: str) -> None:
    serve({OWN: own("odd/Finch-7B-GGUF"), "odd/Finch-7B-GGUF": repo})
    answer = recommend(OWN, family=True, loader="llama.cpp", gpus=[GPU])
    assert all(not choice.branch.name.startswith("odd/") for choice in answer.choices)
    assert answer.family is not None
    assert why in answer.family.left_out["odd/Finch-7B-GGUF"]


def test_relation_that_is_not_known_is_no_quantization(serve: Serve) -> None:
    hub = serve(repos())
    said = {"relation": "distilled", "models": [{"id": BASE}]}
    hub.faults.append(Fault("^/api/models$", Response.of_json([{"id": "pub/Finch-7B-GGUF", "baseModels": said}])))
    family = recommend(OWN, family=True, loader="llama.cpp", gpus=[GPU]).family
    assert family is not None
    assert family.left_out == {"pub/Finch-7B-GGUF": f"related to {BASE} by `unknown`, not `quantized`"}


def test_base_that_was_renamed_is_listed_under_its_new_name(serve: Serve) -> None:
    """The card has the old name, the Hub's tags the new one."""
    branches = {"main": [*gptq(4, 4_160_000_000), card("orig/Old-Finch-7B")]}
    serve({**repos(), OWN: HubRepo(branches, tags=QUANTIZED)})
    family = recommend(OWN, family=True, loader="llama.cpp", gpus=[GPU]).family
    assert family is not None
    assert (family.base_model, family.repos) == (BASE, (OWN, "pub/Finch-7B-GGUF"))


def test_other_model_by_its_name_or_its_shape_is_no_row(serve: Serve) -> None:
    """The Hub takes files made of a finetune for quantizations of the base."""
    shallow = header({**LLAMA_8B, "llama.block_count": 16}, vocabulary=32000)
    draft = HubRepo({"main": [HubFile("Finch.Q8_0.gguf", 4 * 10**9, "1" * 64, shallow), card()]}, tags=QUANTIZED)
    serve({**repos(), "odd/Finch-7B-abliterated-GGUF": gguf_repo(), "odd/Finch-3B-GGUF": draft})
    family = recommend(OWN, family=True, loader="llama.cpp", gpus=[GPU]).family
    assert family is not None
    assert "abliterated" in family.left_out["odd/Finch-7B-abliterated-GGUF"]
    assert "another model: 16 layers" in family.left_out["odd/Finch-3B-GGUF"]
    assert family.base_model == BASE


def test_three_rounds_behind_the_repo_itself(serve: Serve) -> None:
    """Lists and what is known of the named; refs, files and cards; then the contents, and the other branches unseen."""
    hub = serve(repos())
    recommend(OWN, family=True, gpus=[GPU])
    paths = [request.path for request in hub.requests]
    lists = [at for at, path in enumerate(paths) if path == "/api/models"]
    assert len(lists) == 2, "of the repo itself and of what its card calls its base"
    relatives = ("pub/Finch-7B-GGUF", "pub/Finch-7B-AWQ", "big/Finch-7B-FP8-dynamic", "pub/Finch-7B-exl2")
    for name in relatives:
        assert len([path for path in paths if path == f"/api/models/{name}/refs"]) == 1
        assert len([path for path in paths if path.startswith(f"/{name}/") and path.endswith("README.md")]) == 1
    hub.requests.clear()
    recommend(OWN, family=True, gpus=[GPU])
    assert all(path.endswith("/refs") or "/resolve/" not in path for path in hub.paths()), "the rest is known by commit"


def test_twelve_repos_of_a_hundred_and_each_method_has_its_turn(serve: Serve) -> None:
    many = {f"q{at}/Finch-7B-GGUF": gguf_repo() for at in range(60)}
    serve({OWN: own(), **many, "pub/Finch-7B-AWQ": awq_repo(), "big/Finch-7B-FP8-dynamic": fp8_repo()})
    family = recommend(OWN, family=True, gpus=[GPU]).family
    assert family is not None
    assert len(family.repos) == 13
    assert {"pub/Finch-7B-AWQ", "big/Finch-7B-FP8-dynamic", "q0/Finch-7B-GGUF"} <= set(family.repos)


@pytest.mark.parametrize(
    "answer",
    [
        [{"id": f"x/F{at}-GGUF"} for at in range(12_000)],
        [{"id": "../../etc/passwd"}, {"id": None}, {"id": "a/b\n"}, 7, None, [], {"id": "x/y" * 5000}],
        [{"id": "pub/Finch-7B-GGUF", "sha": "../../x", "tags": "gguf", "siblings": [{"rfilename": "x"}] * 12_000}],
        [{"id": "pub/Finch-7B-GGUF", "tags": [f"base_model:{at}/x" for at in range(9000)]}],
        [{"id": "pub/Finch-7B-GGUF", "baseModels": {"relation": ["quantized"], "models": [{"id": {"x": 1}}] * 9000}}],
        [{"id": "pub/Finch-7B-GGUF", "cardData": {"base_model": ["../x", None, 3]}}],
        {"error": "x"},
        "x",
        None,
    ],
)
def test_hostile_list_is_bounded_and_the_repo_itself_stands(serve: Serve, answer: Any) -> None:
    hub = serve(repos())
    hub.faults.append(Fault("^/api/models$", Response.of_json(answer)))
    found = recommend(OWN, family=True, loader="exllamav2", gpus=[GPU])
    assert found.recommended is not None
    assert found.recommended.branch.name == f"{OWN}:main"
    assert len(hub.requests) < 80


def test_relative_that_cannot_be_read_is_left_out_with_the_reason(serve: Serve) -> None:
    hub = serve({**repos(), "pub/Finch-7B-AWQ": awq_repo(gated=True)})
    hub.faults.append(Fault("Finch-7B-exl2/refs", Response.of_json({"branches": "x"})))
    hub.faults.append(Fault("Finch-7B-FP8-dynamic/tree", Response.of_json([{"type": "file", "path": "../x"}])))
    answer = recommend(OWN, family=True, gpus=[GPU])
    assert answer.family is not None
    assert set(answer.family.repos) == {OWN, "pub/Finch-7B-GGUF"}
    assert "gated" in answer.family.left_out["pub/Finch-7B-AWQ"]
    assert "pub/Finch-7B-exl2" in answer.family.left_out
    assert "leads out of the folder" in answer.family.left_out["big/Finch-7B-FP8-dynamic"]


def test_named_by_the_card_and_listed_by_nobody_is_judged_where_the_hub_says_what_it_is(serve: Serve) -> None:
    hub = serve({OWN: own("pub/Finch-7B-GGUF", BASE, "gone/Finch-7B-AWQ"), "pub/Finch-7B-GGUF": gguf_repo()})
    hub.faults.append(Fault("^/api/models$", Response.error(404, "", "not here")))
    answer = recommend(OWN, family=True, loader="llama.cpp", gpus=[GPU])
    assert answer.recommended is not None
    assert answer.recommended.branch.name == "pub/Finch-7B-GGUF:Q8_0"
    assert answer.family is not None
    assert set(answer.family.left_out) == {"gone/Finch-7B-AWQ"}
    assert "no-family" in {warning.code for warning in answer.warnings}


def test_card_that_says_no_base_has_that_of_the_repos_it_names(serve: Serve) -> None:
    named = ("pub/Finch-7B-GGUF", "odd/Wren-7B-GGUF")
    links = "".join(f"* [{name}](https://huggingface.co/{name})\n" for name in named)
    old = HubFile.small("README.md", f"# Finch 7B - GPTQ\n\n## Repositories available\n\n{links}")
    wren = gguf_repo(base="orig/Wren-7B", tags=("gguf", "base_model:quantized:orig/Wren-7B"))
    serve({OWN: HubRepo({"main": [*gptq(4, 4_160_000_000), old]}), named[0]: gguf_repo(), named[1]: wren})
    family = recommend(OWN, family=True, loader="llama.cpp", gpus=[GPU]).family
    assert family is not None
    assert (family.base_model, family.repos) == (BASE, (OWN, "pub/Finch-7B-GGUF"))
    assert "made from orig/Wren-7B" in family.left_out["odd/Wren-7B-GGUF"]


def test_made_from_several_models_has_no_family(serve: Serve) -> None:
    several = (*QUANTIZED, "base_model:quantized:other/Wren-7B")
    serve({**repos(), OWN: own(tags=several)})
    answer = recommend(OWN, family=True, gpus=[GPU])
    assert answer.family is not None
    assert (answer.family.base_model, answer.family.repos) == (None, (OWN,))
    assert "no-family" in {warning.code for warning in answer.warnings}


def test_family_is_known_offline_once_it_was_asked_for(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    hub = serve(repos())
    first = recommend(OWN, family=True, gpus=[GPU])
    hub.requests.clear()
    again = recommend(OWN, family=True, gpus=[GPU], offline=True)
    assert (again.choices, hub.requests) == (first.choices, [])
    assert recommend(OWN, family=True, gpus=[GPU]).choices == first.choices
    assert main(["recommend", "pub/Finch-7B-AWQ", "--family", "--offline", "--vram", "24GiB"]) == 6
    assert "the family of `pub/Finch-7B-AWQ` is not cached" in capsys.readouterr().err


def test_document_is_as_the_schema_says_and_names_each_repo(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    serve(repos())
    assert main(["recommend", OWN, "--family", "--vram", "24GiB", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert main(["schema"]) == 0
    jsonschema.validate(document, json.loads(capsys.readouterr().out))
    data = document["data"]
    assert data["repo_id"] == OWN
    assert data["family"]["base_model"] == BASE
    assert set(data["family"]["repos"]) == {row["repo_id"] for row in data["branches"]}
    kinds = {(row["repo_id"], row["kind"], row["branch"], row["name"]) for row in data["branches"]}
    assert ("pub/Finch-7B-AWQ", "repo", "main", "pub/Finch-7B-AWQ:main") in kinds
    assert ("pub/Finch-7B-GGUF", "files", "main", "pub/Finch-7B-GGUF:Q4_K_M") in kinds
    assert ("pub/Finch-7B-exl2", "branch", "6.0bpw", "pub/Finch-7B-exl2:6.0bpw") in kinds or (
        "pub/Finch-7B-exl2",
        "repo",
        "6.0bpw",
        "pub/Finch-7B-exl2:6.0bpw",
    ) in kinds


def test_list_that_was_not_filtered_brings_no_other_models(serve: Serve) -> None:
    """A mirror that takes no notice of the question: what says of itself what it is is believed, not the question."""
    hub = serve({**repos(), "odd/Wren-7B-GGUF": gguf_repo(tags=("gguf", "license:mit"))})
    entries = [{"id": "odd/Wren-7B-GGUF", "tags": ["gguf", "license:mit"]}, {"id": "pub/Finch-7B-GGUF"}]
    hub.faults.append(Fault("^/api/models$", Response.of_json(entries)))
    family = recommend(OWN, family=True, loader="llama.cpp", gpus=[GPU]).family
    assert family is not None
    assert family.repos == (OWN, "pub/Finch-7B-GGUF")
    assert "nobody says" in family.left_out["odd/Wren-7B-GGUF"]


def test_screen_says_how_many_repos_there_are_and_with_why_which_were_left_out(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    serve({**repos(), "odd/Finch-7B-abliterated-GGUF": gguf_repo()})
    argv = ["recommend", OWN, "--family", "--loader", "llama.cpp", "--vram", "24GiB"]
    assert main(argv) == 0
    assert f"2 repos of {BASE}; left out: 1, --why says why" in capsys.readouterr().out
    assert main([*argv, "--why"]) == 0
    assert "called `abliterated`" in capsys.readouterr().out


def test_next_commands_name_the_right_repo(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    serve(repos())
    assert main(["recommend", OWN, "--family", "--loader", "llama.cpp", "--vram", "24GiB"]) == 0
    shown = capsys.readouterr().out
    assert "quantpick download pub/Finch-7B-GGUF --file Q8_0 --loader llama.cpp" in shown
    assert "models--pub--Finch-7B-GGUF" in shown
    assert main(["recommend", OWN, "--family", "-q", "--loader", "vllm", "--vram", "24GiB"]) == 0
    assert capsys.readouterr().out == "big/Finch-7B-FP8-dynamic:main\n"
    assert main(["recommend", OWN, "--family", "--loader", "vllm", "--vram", "24GiB"]) == 0
    assert "quantpick download big/Finch-7B-FP8-dynamic --revision main --loader vllm" in capsys.readouterr().out


def _tiny() -> dict[str, HubRepo]:
    tensors = HubFile.large("model.safetensors", b"w" * 5000)
    section = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": True}
    small = LLAMA_7B | {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    text = json.dumps(small | {"quantization_config": section})
    head = header({**LLAMA_8B, "llama.block_count": 2, "llama.embedding_length": 64}, vocabulary=64)
    file = HubFile.large("Finch-7B.Q8_0.gguf", head + b"8" * 40_000)
    return {
        OWN: HubRepo({"main": [HubFile.small("config.json", text), tensors, card()]}, tags=QUANTIZED),
        "pub/Finch-7B-GGUF": HubRepo({"main": [file, card()]}, tags=QUANTIZED),
    }


def test_download_chooses_among_the_family_too(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(_tiny())
    argv = ["download", OWN, "--family", "--loader", "llama.cpp", "--vram", "24GiB", "--local-dir", str(tmp_path / "x")]
    assert main([*argv, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert (data["repo_id"], [file["path"] for file in data["files"]]) == ("pub/Finch-7B-GGUF", ["Finch-7B.Q8_0.gguf"])
    assert (tmp_path / "x" / "Finch-7B.Q8_0.gguf").is_file()
    assert main(["download", OWN, "--family", "--revision", "main"]) == 2
    with pytest.raises(UsageError):
        download(OWN, "main", family=True)
    with pytest.raises(UsageError):
        recommend(card=tmp_path / "README.md", family=True, gpus=[GPU])


def test_family_of_the_environment_gives_way_to_what_is_typed(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(_tiny())
    monkeypatch.setenv("QUANTPICK_FAMILY", "1")
    argv = ["--loader", "llama.cpp", "--vram", "24GiB"]
    assert main(["recommend", OWN, *argv, "-q"]) == 0
    assert capsys.readouterr().out == "pub/Finch-7B-GGUF:Q8_0\n"
    assert main(["download", OWN, "--revision", "main", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["repo_id"] == OWN


def _asked(hub: FaultyHub) -> bool:
    return "/api/models" in hub.paths()


def test_where_nothing_fits_the_family_is_asked_and_a_repo_that_fits_is_named(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = serve({**repos(), OWN: HubRepo({"main": [*gptq(8, 7_600_000_000), card()]}, tags=QUANTIZED)})
    answer = recommend(OWN, gpus=[SMALL], context_tokens=2048)
    assert answer.recommended is None
    assert answer.family is None
    (named,) = [advice for advice in answer.advice if advice.code == "sibling"]
    assert named.options[0] == "--family"
    assert _asked(hub)
    assert main(["recommend", OWN, "--vram", "5GiB", "--context", "2048"]) == 3
    assert f"quantpick recommend {OWN} --context 2048 --vram 5GiB --family" in capsys.readouterr().out
    hub.requests.clear()
    assert recommend(OWN, gpus=[GPU]).recommended is not None
    assert not _asked(hub), "where something fits nobody is asked"


def test_hub_that_lists_nothing_does_not_spoil_an_answer_where_nothing_fits(serve: Serve) -> None:
    hub = serve({OWN: HubRepo({"main": [*gptq(8, 7_600_000_000), card()]})})
    hub.faults.append(Fault("^/api/models$", Response(200, b"[" * 100_000)))
    answer = recommend(OWN, gpus=[SMALL])
    assert answer.recommended is None
    assert "sibling" not in {advice.code for advice in answer.advice}
