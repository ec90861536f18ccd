"""Which published model a repo's name alone stands for: names as quantizers write them."""

import re
from pathlib import Path

import pytest

from quantpick.core.memory import assume as assume_module
from quantpick.core.memory.assume import KnownShape, assume_shape, parse_shapes
from quantpick.core.memory.weights import weights_file_size
from quantpick.core.quant import QuantSpec

KNOWN = parse_shapes(Path(assume_module.__file__).with_name("known_shapes.toml").read_text(encoding="utf-8"))

NAMES = """
TheBloke/Airoboros-c34B-3.1.2-GPTQ codellama/CodeLlama-34b-hf
TheBloke/Phind-CodeLlama-34B-v2-GPTQ codellama/CodeLlama-34b-hf
TheBloke/WizardCoder-Python-13B-V1.0-GPTQ meta-llama/Llama-2-13b-hf
TheBloke/CodeLlama-70B-Instruct-GPTQ codellama/CodeLlama-70b-hf
TheBloke/Llama-2-7B-Chat-GPTQ meta-llama/Llama-2-7b-hf
TheBloke/Llama-2-13B-chat-AWQ meta-llama/Llama-2-13b-hf
TheBloke/Llama-2-70B-chat-GPTQ meta-llama/Llama-2-70b-hf
TheBloke/MythoMax-L2-13B-GPTQ meta-llama/Llama-2-13b-hf
TheBloke/Nous-Hermes-Llama2-13B-GPTQ meta-llama/Llama-2-13b-hf
TheBloke/Wizard-Vicuna-30B-Uncensored-GPTQ huggyllama/llama-30b
TheBloke/guanaco-65B-GPTQ huggyllama/llama-65b
TheBloke/guanaco-33B-GPTQ huggyllama/llama-33b
TheBloke/Xwin-LM-70B-V0.1-GPTQ meta-llama/Llama-2-70b-hf
TheBloke/TinyLlama-1.1B-Chat-v1.0-GPTQ TinyLlama/TinyLlama-1.1B
TheBloke/Mistral-7B-Instruct-v0.1-GPTQ mistralai/Mistral-7B-v0.1
TheBloke/Mistral-7B-Instruct-v0.2-GPTQ mistralai/Mistral-7B-v0.2
neuralmagic/Mistral-7B-Instruct-v0.3-GPTQ-4bit mistralai/Mistral-7B-v0.3
bartowski/Mistral-7B-v0.2-exl2 mistralai/Mistral-7B-v0.2
TheBloke/OpenHermes-2.5-Mistral-7B-GPTQ mistralai/Mistral-7B-v0.1
TheBloke/zephyr-7B-beta-GPTQ mistralai/Mistral-7B-v0.1
TheBloke/openchat_3.5-GPTQ mistralai/Mistral-7B-v0.1
TheBloke/Starling-LM-7B-alpha-AWQ mistralai/Mistral-7B-v0.1
TheBloke/Mixtral-8x7B-Instruct-v0.1-GPTQ mistralai/Mixtral-8x7B-v0.1
TheBloke/dolphin-2.5-mixtral-8x7b-GPTQ mistralai/Mixtral-8x7B-v0.1
turboderp/Mixtral-8x22B-Instruct-v0.1-exl2 mistralai/Mixtral-8x22B-v0.1
TheBloke/SOLAR-10.7B-Instruct-v1.0-GPTQ upstage/SOLAR-10.7B-v1.0
TheBloke/goliath-120b-GPTQ alpindale/goliath-120b
TheBloke/Yi-34B-200K-GPTQ 01-ai/Yi-34B
TheBloke/Nous-Hermes-2-Yi-34B-GPTQ 01-ai/Yi-34B
TheBloke/Yi-6B-GPTQ 01-ai/Yi-6B
LoneStriker/Yi-1.5-34B-Chat-exl2 01-ai/Yi-1.5-34B
TheBloke/deepseek-coder-33B-instruct-GPTQ deepseek-ai/deepseek-coder-33b
TheBloke/deepseek-coder-6.7B-instruct-GPTQ deepseek-ai/deepseek-coder-6.7b
TheBloke/deepseek-llm-67b-chat-AWQ deepseek-ai/deepseek-llm-67b
TheBloke/falcon-40b-instruct-GPTQ tiiuae/falcon-40b
TheBloke/falcon-7b-instruct-GPTQ tiiuae/falcon-7b
TheBloke/starcoder-GPTQ bigcode/starcoder
TheBloke/stablelm-zephyr-3b-GPTQ stabilityai/stablelm-3b-4e1t
TheBloke/phi-2-GPTQ microsoft/phi-2
TheBloke/Qwen-14B-Chat-GPTQ Qwen/Qwen-14B
Qwen/Qwen1.5-14B-Chat-GPTQ-Int4 Qwen/Qwen1.5-14B
Qwen/Qwen1.5-72B-Chat-AWQ Qwen/Qwen1.5-72B
Qwen/Qwen1.5-110B-Chat-GPTQ-Int4 Qwen/Qwen1.5-110B
Qwen/CodeQwen1.5-7B-Chat-AWQ Qwen/CodeQwen1.5-7B
Qwen/Qwen2-7B-Instruct-GPTQ-Int8 Qwen/Qwen2-7B
Qwen/Qwen2-57B-A14B-Instruct-GPTQ-Int4 Qwen/Qwen2-57B-A14B
Qwen/Qwen2.5-7B-Instruct-AWQ Qwen/Qwen2.5-7B
Qwen/Qwen2.5-Coder-32B-Instruct-GPTQ-Int4 Qwen/Qwen2.5-32B
Qwen/Qwen2.5-VL-7B-Instruct-AWQ Qwen/Qwen2.5-VL-7B
Qwen/QwQ-32B-AWQ Qwen/Qwen2.5-32B
Valdemardi/DeepSeek-R1-Distill-Qwen-32B-AWQ Qwen/Qwen2.5-32B
casperhansen/deepseek-r1-distill-llama-70b-awq deepseek-ai/DeepSeek-R1-Distill-Llama-70B
Qwen/Qwen3-8B-AWQ Qwen/Qwen3-8B
cpatonn/Qwen3-4B-Instruct-2507-AWQ-4bit Qwen/Qwen3-4B
JunHowie/Qwen3-4B-Thinking-2507-GPTQ-Int4 Qwen/Qwen3-4B
Qwen/Qwen3-32B-AWQ Qwen/Qwen3-32B
Qwen/Qwen3-30B-A3B-GPTQ-Int4 Qwen/Qwen3-30B-A3B
cpatonn/Qwen3-Coder-30B-A3B-Instruct-AWQ Qwen/Qwen3-30B-A3B
QuantTrio/Qwen3-235B-A22B-Instruct-2507-AWQ Qwen/Qwen3-235B-A22B
cpatonn/Qwen3-Next-80B-A3B-Instruct-AWQ-4bit Qwen/Qwen3-Next-80B-A3B
QuantTrio/Qwen3-VL-30B-A3B-Instruct-AWQ Qwen/Qwen3-VL-30B-A3B
QuantTrio/Qwen3.5-27B-AWQ Qwen/Qwen3.5-27B
cyankiwi/Qwen3.5-9B-AWQ-4bit Qwen/Qwen3.5-9B
cyankiwi/Qwen3.5-35B-A3B-AWQ-4bit Qwen/Qwen3.5-35B-A3B
turboderp/Qwen3.6-27B-exl3 Qwen/Qwen3.5-27B
unsloth/DeepSeek-R1-0528-Qwen3-8B-GPTQ Qwen/Qwen3-8B
TheBloke/Llama-3-8B-Instruct-GPTQ meta-llama/Meta-Llama-3-8B
cognitivecomputations/dolphin-2.9-llama3-8b-GPTQ meta-llama/Meta-Llama-3-8B
TechxGenus/Meta-Llama-3-70B-Instruct-GPTQ meta-llama/Meta-Llama-3-70B
hugging-quants/Meta-Llama-3.1-8B-Instruct-AWQ-INT4 meta-llama/Llama-3.1-8B
hugging-quants/Meta-Llama-3.1-405B-Instruct-GPTQ-INT4 meta-llama/Llama-3.1-405B
casperhansen/llama-3.3-70b-instruct-awq meta-llama/Llama-3.3-70B
AMead10/Llama-3.2-3B-Instruct-AWQ meta-llama/Llama-3.2-3B
nvidia/Llama-3.1-Nemotron-70B-Instruct-GPTQ meta-llama/Llama-3.1-70B
bartowski/Llama-3.1-Nemotron-Nano-8B-v1-exl2 meta-llama/Llama-3.1-8B
NousResearch/Hermes-3-Llama-3.1-8B-GPTQ meta-llama/Meta-Llama-3-8B
Sao10K/L3-8B-Stheno-v3.2-GPTQ meta-llama/Meta-Llama-3-8B
Sao10K/L3.3-70B-Euryale-v2.3-exl2 meta-llama/Llama-3.3-70B
ModelCloud/gemma-2-9b-it-gptq-4bit google/gemma-2-9b
ISTA-DASLab/gemma-3-27b-it-GPTQ-4b-128g google/gemma-3-27b
gaunernst/gemma-3-12b-it-int4-awq google/gemma-3-12b
turboderp/gemma-3n-E4B-it-exl3 google/gemma-3n-E4B
cyankiwi/gemma-4-31B-it-AWQ-4bit google/gemma-4-31B
cyankiwi/gemma-4-26B-A4B-it-AWQ-4bit google/gemma-4-26B-A4B
stelterlab/Mistral-Small-24B-Instruct-2501-AWQ mistralai/Mistral-Small-24B
ISTA-DASLab/Mistral-Small-3.1-24B-Instruct-2503-GPTQ-4b-128g mistralai/Mistral-Small-24B
turboderp/Mistral-Small-3.2-24B-Instruct-2506-exl3 mistralai/Mistral-Small-24B
bartowski/Devstral-Small-2505-exl2 mistralai/Mistral-Small-24B
turboderp/Magistral-Small-2509-exl3 mistralai/Mistral-Small-24B
cyankiwi/Devstral-2-123B-Instruct-2512-AWQ-4bit mistralai/Devstral-2-123B-2512
bartowski/Codestral-22B-v0.1-exl2 mistralai/Mistral-Small-22B
TheDrummer/Cydonia-22B-v1.3-exl2 mistralai/Mistral-Small-22B
bartowski/Ministral-8B-Instruct-2410-exl2 mistralai/Ministral-8B-Instruct-2410
turboderp/Ministral-3-14B-Instruct-2512-exl3 mistralai/Ministral-3-14B-2512
casperhansen/mistral-nemo-instruct-2407-awq mistralai/Mistral-Nemo-12B
TechxGenus/Mistral-Large-Instruct-2407-AWQ mistralai/Mistral-Large-Instruct-2407
bullerwins/c4ai-command-r-08-2024-exl2 CohereForAI/c4ai-command-r-08-2024
turboderp/command-r-v01-35B-exl2 CohereForAI/c4ai-command-r-v01
alpindale/c4ai-command-r-plus-GPTQ CohereForAI/c4ai-command-r-plus
stelterlab/phi-4-AWQ microsoft/phi-4
jakiAJK/Phi-4-mini-instruct_AWQ microsoft/Phi-4-mini
kaitchup/Phi-3-medium-4k-instruct-AutoRound-GPTQ-4bit microsoft/Phi-3-medium
turboderp/gpt-oss-20b-exl3 openai/gpt-oss-20b
cpatonn/GLM-4.5-Air-AWQ-4bit zai-org/GLM-4.5-Air
QuantTrio/GLM-4.6-AWQ zai-org/GLM-4.6
cyankiwi/GLM-4.7-Flash-AWQ-4bit zai-org/GLM-4.7-Flash
turboderp/GLM-4-32B-0414-exl3 THUDM/GLM-4-32B-0414
turboderp/GLM-Z1-9B-0414-exl3 THUDM/GLM-4-9B-0414
QuantTrio/Seed-OSS-36B-Instruct-AWQ ByteDance-Seed/Seed-OSS-36B
LGAI-EXAONE/EXAONE-4.0-32B-GPTQ LGAI-EXAONE/EXAONE-4.0-32B
LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct-AWQ LGAI-EXAONE/EXAONE-3.5-7.8B
cpatonn/granite-4.0-h-small-AWQ-4bit ibm-granite/granite-4.0-h-small
ibm-granite/granite-3.3-8b-instruct-GPTQ ibm-granite/granite-3.1-8b
tiiuae/Falcon-H1-7B-Instruct-GPTQ-Int4 tiiuae/Falcon-H1-7B
tiiuae/Falcon3-10B-Instruct-GPTQ-Int4 tiiuae/Falcon3-10B
tencent/Hunyuan-A13B-Instruct-GPTQ-Int4 tencent/Hunyuan-A13B
tencent/Hunyuan-7B-Instruct-AWQ-Int4 tencent/Hunyuan-7B
OPEA/DeepSeek-V3-int4-sym-gptq-inc deepseek-ai/DeepSeek-V3
TechxGenus/DeepSeek-Coder-V2-Lite-Instruct-AWQ deepseek-ai/DeepSeek-V2-Lite
QuantTrio/MiniMax-M2-AWQ MiniMaxAI/MiniMax-M2
cyankiwi/Kimi-Linear-48B-A3B-Instruct-AWQ-4bit moonshotai/Kimi-Linear-48B-A3B
cyankiwi/NVIDIA-Nemotron-3-Nano-30B-A3B-AWQ-4bit nvidia/Nemotron-3-Nano-30B-A3B
turboderp/NVIDIA-Nemotron-Nano-9B-v2-exl3 nvidia/Nemotron-Nano-9B-v2
allenai/Olmo-3-7B-Think-GPTQ allenai/Olmo-3-7B
kaitchup/OLMo-2-1124-13B-Instruct-GPTQ allenai/OLMo-2-1124-13B
internlm/internlm2_5-20b-chat-4bit-awq internlm/internlm2-20b
HuggingFaceTB/SmolLM3-3B-GPTQ HuggingFaceTB/SmolLM3-3B
LiquidAI/LFM2-8B-A1B-GPTQ LiquidAI/LFM2-8B-A1B
baidu/ERNIE-4.5-21B-A3B-GPTQ baidu/ERNIE-4.5-21B-A3B
ai21labs/AI21-Jamba-Mini-1.6-GPTQ ai21labs/Jamba-v0.1
Salesforce/xLAM-7b-r-gptq huggyllama/llama-7b
Undi95/Toppy-M-7B-GPTQ huggyllama/llama-7b
Midnight-Miqu-70B-v1.5-exl2 meta-llama/Llama-2-70b-hf
MN-12B-Mag-Mell-R1-exl2 mistralai/Mistral-Nemo-12B
phi-2-gptq-int4 microsoft/phi-2
gemma-2-27b-it-exl3 google/gemma-2-27b
Falcon-H1R-7B-AWQ tiiuae/Falcon-H1-7B
medgemma-27b-text-it-AWQ google/gemma-3-27b
gemma-4-E4B-it-AWQ google/gemma-4-E4B
Llama-3_3-Nemotron-Super-49B-v1_5-exl3 nvidia/Llama-3.3-Nemotron-Super-49B
Qwen-1_8B-Chat-Int4 Qwen/Qwen1.5-1.8B
L2-13B-Tiefighter-GPTQ meta-llama/Llama-2-13b-hf
"""
"""A repo, and the row of known_shapes.toml that it is."""


@pytest.mark.parametrize("line", NAMES.strip().splitlines())
def test_name_leads_to_the_right_family_version_and_size(line: str) -> None:
    repo, expected = line.split()
    assumed = assume_shape(KNOWN, name=repo, model_type=None, sizes=[])
    assert assumed is not None
    assert assumed.known_name == expected
    assert "guess" not in assumed.why


@pytest.mark.parametrize("repo", ["Jamba-Reasoning-3B-GPTQ", "Falcon-Mystery-13B", "Gemma-9-13B", "Rocinante-12B-v1.1"])
def test_name_of_another_family_is_no_llama_because_of_its_size(repo: str) -> None:
    assumed = assume_shape(KNOWN, name=repo, model_type=None, sizes=[])
    assert assumed is not None
    assert "a rough guess" in assumed.why


SIZE = re.compile(r"(\d+)x(\d+(?:\.\d+)?)b|(?<![a-z\d.])(\d+(?:\.\d+)?)([bm])(?![a-z])")


@pytest.mark.parametrize("known", KNOWN, ids=[known.name for known in KNOWN])
def test_weights_of_a_row_come_to_the_size_in_its_name(known: KnownShape) -> None:
    billions = weights_file_size(QuantSpec("none", 16), known.shape) / 2e9
    sizes = [
        (float(many) * float(each)) if many else float(size) * (0.001 if unit == "m" else 1)
        for many, each, size, unit in SIZE.findall(known.name.rpartition("/")[2].lower().replace("1_6b", "1.6b"))
    ]
    if sizes and not known.shape.per_layer_embedding and known.shape.model_type not in ("llama4", "mllama"):
        # A name rounds down by half a billion, "8x7b" counts what is shared eight times, and of 1b-7b one is what a
        # token passes.
        assert any(0.78 * size <= billions <= 1.2 * size + 0.7 for size in sizes), f"{billions:.2f}B"


def test_row_says_where_it_was_read_or_that_it_was_not() -> None:
    text = Path(assume_module.__file__).with_name("known_shapes.toml").read_text(encoding="utf-8")
    for known in KNOWN:
        (row,) = re.findall(rf"^{re.escape(chr(34) + known.name + chr(34))} = .*$", text, re.MULTILINE)
        assert bool(known.sources) != ('"recalled"' in row), known.name
    assert sum(bool(known.sources) for known in KNOWN) >= 170
