import pytest

from quantpick.core.branches.tree import NoWeights, Weights, find_weights
from quantpick.core.repo import RepoFile


def files(*names: str, **sizes: int) -> list[RepoFile]:
    return [RepoFile(name, sizes.get(name, 100), "0" * 40) for name in names]


@pytest.mark.parametrize(
    ("names", "weights"),
    [
        (["config.json", "model.safetensors"], ["model.safetensors"]),
        (["output-00001-of-00002.safetensors", "output-00002-of-00002.safetensors"], None),
        (["model.safetensors", "pytorch_model.bin"], ["model.safetensors"]),
        (["gptq_model-4bit-128g.bin", "training_args.bin", "optimizer.pt"], ["gptq_model-4bit-128g.bin"]),
        (["llama-7b-4bit.pt", "tokenizer.model"], ["llama-7b-4bit.pt"]),
        (["model-00001-of-00001.safetensors", "consolidated.safetensors"], ["model-00001-of-00001.safetensors"]),
        (["output.safetensors", "hidden_states.safetensors", "cal_data.safetensors"], ["output.safetensors"]),
        (["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"], None),
        (["model.safetensors", "adapter_model.safetensors", "8.0bpw/output.safetensors"], ["model.safetensors"]),
        (["explorator.safetensors"], ["explorator.safetensors"]),
    ],
)
def test_weights_are_what_a_loader_reads(names: list[str], weights: list[str] | None) -> None:
    found = find_weights(files(*names))
    assert isinstance(found, Weights)
    assert [file.path for file in found.files] == (weights or names)
    assert found.size_bytes == 100 * len(weights or names)


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ([], "empty"),
        ([".gitattributes", "README.md", "LICENSE.txt"], "empty"),
        (["README.md", "measurement.json"], "measurement.json"),
        (["config.json", "tokenizer.json"], "no weight files"),
        (["adapter_config.json", "adapter_model.safetensors"], "adapter"),
        (["finch.Q4_K_M.gguf", "config.json"], "GGUF"),
        (["Q4_K_M/finch-00001-of-00002.gguf"], "GGUF"),
        (["finch.ggmlv3.q4_0.bin"], "GGML"),
        (["3.0bpw/output.safetensors", "4.0bpw/output.safetensors"], "folders (3.0bpw/, 4.0bpw/)"),
        (["onnx/model.onnx"], "ONNX"),
        (["weights.npz"], "MLX"),
    ],
)
def test_branch_without_weights_says_what_it_holds(names: list[str], why: str) -> None:
    found = find_weights(files(*names))
    assert isinstance(found, NoWeights)
    assert why in found.reason


def test_of_several_sets_the_usual_name_counts_else_the_largest() -> None:
    sizes = {"4bit-compat.safetensors": 50, "4bit-act-order.safetensors": 70}
    largest = find_weights(files(*sizes, **sizes))
    usual = find_weights(files(*sizes, "model.safetensors", **sizes, **{"model.safetensors": 10}))
    assert isinstance(largest, Weights)
    assert isinstance(usual, Weights)
    assert [file.path for file in largest.files] == ["4bit-act-order.safetensors"]
    assert [file.path for file in largest.others] == ["4bit-compat.safetensors"]
    assert [file.path for file in usual.files] == ["model.safetensors"]


def test_pickles_are_flagged() -> None:
    pickle, safe = find_weights(files("pytorch_model.bin")), find_weights(files("model.safetensors"))
    assert isinstance(pickle, Weights)
    assert isinstance(safe, Weights)
    assert (pickle.is_pickle, safe.is_pickle) == (True, False)
