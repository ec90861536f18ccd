"""Who takes what: one row a case, from the loaders' own sources.

Read on 2026-11-23 and 2026-11-24: the wheels and source archives of vLLM 0.2.5 to 0.33.0, SGLang 0.3.6 to 0.5.23,
Transformers 4.46.3 to 5.23.0, Aphrodite 0.5.0 to 0.24.1, GPTQModel 1.4.3 to 7.7.0, ExLlamaV3 1.4.2 to 1.6.5, LMDeploy
0.9.2 to 0.18.0, and the repositories of the others. The rows say what was read there, not what the table says.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from quantpick import core
from quantpick.core.loaders.check import Verdict
from quantpick.core.loaders.check import check as check_rules
from quantpick.core.loaders.facts import About
from quantpick.core.loaders.read import parse_loaders
from quantpick.core.loaders.table import Loader
from quantpick.core.loaders.versions import LoaderAt, at_version, parse_choice
from quantpick.core.quant import LayerQuant, QuantSpec
from quantpick.core.shape import ModelShape

TABLE: Final = parse_loaders((Path(core.__file__).parent / "loaders" / "loaders.toml").read_text(encoding="utf-8"))


def judged(choice: str, quant: QuantSpec, capability: float | None, **about: Any) -> Verdict:
    named = parse_choice(choice)
    known = TABLE.find(named.name)
    assert isinstance(known, Loader), known
    assert named.extras <= known.extras.keys()
    chosen = at_version(known, named.version, named.extras)
    assert isinstance(chosen, LoaderAt), chosen
    return check_rules(chosen, quant, About(capability=capability, **about))


def gptq(bits: float, group: int | None, act: bool | None = False, sym: bool | None = True, **more: Any) -> QuantSpec:
    return QuantSpec("gptq", bits, group, act, sym, **more)


def awq(group: int | None = 128, bits: float = 4, **more: Any) -> QuantSpec:
    return QuantSpec("awq", bits, group, False, False, **more)


def packed(bits: float, group: int | None, act: bool = False, sym: bool = True, **more: Any) -> QuantSpec:
    more = {"scheme": "int", "packing": "pack-quantized"} | more
    return QuantSpec("compressed-tensors", bits, group, act, sym, **more)


def rounded(bits: float, group: int | None = 128, sym: bool = True, packing: str = "auto_round:auto_gptq") -> QuantSpec:
    return QuantSpec("auto-round", bits, group, False, sym, scheme="int", packing=packing)


def exl(method: str, bits: float, **more: Any) -> QuantSpec:
    return QuantSpec(method, bits, **more)


FP8: Final = QuantSpec("fp8", 8, scheme="fp8", packing="block-128x128")
CT_FP8: Final = packed(8, None, scheme="fp8", packing="float-quantized", activation_bits=8)
W8A8: Final = packed(8, None, packing="int-quantized", activation_bits=8)
MODELOPT_NVFP4: Final = QuantSpec("modelopt", 4, 16, scheme="nvfp4", packing="nvfp4")
NVFP4: Final = QuantSpec("nvfp4", 4, 16, scheme="nvfp4")
MXFP4: Final = QuantSpec("mxfp4", 4, 32, scheme="mxfp4")
NF4: Final = QuantSpec("bitsandbytes", 4, 64, scheme="nf4")
GGUF: Final = QuantSpec("gguf", 4)
HALF: Final = LayerQuant(bits=2.5)

CASES: Final[tuple[tuple[str, QuantSpec, float, bool], ...]] = (
    # ExLlama, ExLlamaV2, AutoGPTQ, GPTQ-for-LLaMa, AutoAWQ: dead or in maintenance, as they were left.
    ("exllamav2", gptq(4, 32, True), 8.9, True),
    ("exllamav2", gptq(4, None, True), 7.0, True),
    ("exllamav2", gptq(3, 128), 8.9, False),
    ("exllamav2", gptq(8, 128), 8.9, False),
    ("exllamav2", gptq(4, 96), 8.9, False),
    ("exllamav2", gptq(4, 128, sym=False, checkpoint_format="gptq_v2"), 8.9, True),
    ("exllamav2", gptq(4, 128, checkpoint_format="marlin"), 8.9, False),
    ("exllamav2", exl("exl2", 2.4), 8.6, True),
    ("exllamav2", exl("exl3", 4.0), 8.9, False),
    ("exllamav2", awq(), 8.9, False),
    ("autogptq", gptq(2, 64, True), 7.5, True),
    ("autogptq", gptq(6, 128), 8.9, False),
    ("autogptq", awq(), 8.9, False),
    ("autoawq", awq(packing="gemv"), 7.5, True),
    ("autoawq", awq(), 7.0, False),
    ("autoawq==0.1.2", awq(), 8.0, True),
    ("autoawq==0.1.2", awq(), 7.5, False),
    ("autoawq==0.1.3", awq(), 7.5, True),
    ("autoawq==0.2.2", awq(packing="gemv_fast"), 8.0, False),
    ("autoawq==0.2.3", awq(packing="gemv_fast"), 8.0, True),
    ("autogptq==0.3.2", gptq(4, 128, True), 7.5, True),
    ("autogptq==0.2.2", gptq(3, 128, True), 7.5, True),
    ("autoawq", QuantSpec("awq", 4, 128, False, True), 8.0, False),
    # ExLlamaV3: Turing since 1.5.2, AMD since 1.6.0, tensors of half-integer bits since 1.5.1.
    ("exllamav3", exl("exl3", 4.0), 7.5, True),
    ("exllamav3==1.5.2", exl("exl3", 4.0), 7.5, True),
    ("exllamav3==1.5.1", exl("exl3", 4.0), 7.5, False),
    ("exllamav3==1.5.1", exl("exl3", 4.0), 8.0, True),
    ("exllamav3==1.4.2", exl("exl3", 4.0), 7.5, False),
    ("exllamav3", exl("exl3", 4.0), 7.0, False),
    ("exllamav3", exl("exl3", 2.27, layers=(HALF,)), 8.9, True),
    ("exllamav3==1.5.1", exl("exl3", 2.27, layers=(HALF,)), 8.9, True),
    ("exllamav3==1.4.2", exl("exl3", 2.27, layers=(HALF,)), 8.9, False),
    ("exllamav3==1.4.2", exl("exl3", 2.25, layers=(LayerQuant(bits=3),)), 8.9, True),
    ("exllamav3", gptq(4, 128), 8.9, False),
    ("exllamav3", exl("exl2", 4.0), 8.9, False),
    # TabbyAPI and text-generation-webui: by date, and by release.
    ("tabbyapi", exl("exl3", 4.0), 8.0, True),
    ("tabbyapi", exl("exl3", 4.0), 7.5, False),
    ("tabbyapi", exl("exl3", 2.27, layers=(HALF,)), 8.9, False),
    ("tabbyapi==2025-04-01", exl("exl3", 4.0), 8.9, False),
    ("tabbyapi==2026-07-13", exl("exl2", 4.0), 8.9, True),
    ("tabbyapi==2026-07-14", exl("exl2", 4.0), 8.9, False),
    ("tabbyapi", gptq(4, 128), 8.9, False),
    ("text-generation-webui==2025-04-08", exl("exl3", 4.0), 8.9, False),
    ("text-generation-webui==2025-04-09", exl("exl3", 4.0), 8.9, True),
    ("text-generation-webui==2.6", exl("exl3", 4.0), 8.9, False),
    ("text-generation-webui==3.0", exl("exl3", 4.0), 8.9, True),
    ("text-generation-webui", exl("exl3", 2.27, layers=(HALF,)), 8.9, False),
    ("text-generation-webui==2023-04-01", gptq(4, 128), 8.9, True),
    ("text-generation-webui==2023-03-01", gptq(4, 128), 8.9, False),
    ("text-generation-webui==2023-09-11", exl("exl2", 4.0), 8.9, False),
    ("text-generation-webui==2023-09-12", exl("exl2", 4.0), 8.9, True),
    ("text-generation-webui==2026-03-04", exl("exl2", 4.0), 8.9, True),
    ("text-generation-webui==2026-03-05", exl("exl2", 4.0), 8.9, False),
    ("text-generation-webui==3.23", exl("exl2", 4.0), 8.9, True),
    ("text-generation-webui==4.0", exl("exl2", 4.0), 8.9, False),
    ("text-generation-webui==2024-08-01", awq(), 8.9, True),
    ("text-generation-webui==2023-10-04", awq(), 8.9, False),
    ("text-generation-webui==2024-10-01", awq(), 8.9, False),
    ("text-generation-webui==1.13", awq(), 8.9, True),
    ("text-generation-webui", GGUF, 6.1, True),
    ("oobabooga", exl("exl3", 4.0), 8.9, True),
    # GPTQModel.
    ("gptqmodel", gptq(3, 16, True), 5.2, True),
    ("gptqmodel", gptq(5, 128), 8.9, True),
    ("gptqmodel==7.0.0", gptq(5, 128), 8.9, False),
    ("gptqmodel", gptq(4, 2048), 8.9, False),
    ("gptqmodel==4.2.5", gptq(4, 256), 8.9, False),
    ("gptqmodel", gptq(4, 128, checkpoint_format="gptq_v2", sym=False), 8.9, True),
    ("gptqmodel", gptq(4, 128, checkpoint_format="marlin"), 8.9, True),
    ("gptqmodel", gptq(4, 128, checkpoint_format="marlin"), 7.0, False),
    ("gptqmodel==6.0.3", gptq(4, 128, checkpoint_format="marlin"), 7.5, False),
    ("gptqmodel", gptq(4, 128, layers=(LayerQuant(bits=8, group_size=64),)), 8.9, True),
    ("gptqmodel", gptq(4, 128, layers=(LayerQuant(bits=9),)), 8.9, False),
    ("gptqmodel", awq(16), 6.1, True),
    ("gptqmodel", awq(), 6.1, True),
    ("gptqmodel", awq(bits=8), 8.0, True),
    ("gptqmodel==7.5.0", awq(bits=8), 7.5, False),
    ("gptqmodel==7.5.0", awq(bits=8), 8.0, True),
    ("gptqmodel", awq(packing="gemv"), 7.5, True),
    ("gptqmodel==4.2.5", awq(), 8.9, False),
    ("gptqmodel", QuantSpec("gguf", 3), 8.9, False),
    ("gptqmodel", QuantSpec("gguf", 4), 8.9, True),
    ("gptqmodel==7.3.4", QuantSpec("gguf", 2), 8.9, False),
    ("gptqmodel", exl("exl3", 4.0), 8.0, True),
    # Transformers.
    ("transformers", gptq(2, 64, True), 8.0, True),
    ("transformers", gptq(5, 128), 8.0, False),
    ("transformers==4.57.6", gptq(3, 128), 8.0, True),
    ("transformers==4.31.0", gptq(4, 128), 8.0, False),
    ("transformers", awq(), 8.0, True),
    ("transformers==4.34.0", awq(), 8.0, False),
    ("transformers", rounded(5), 8.0, True),
    ("transformers==5.10.1", rounded(5), 8.0, False),
    ("transformers", rounded(2), 8.0, True),
    ("transformers", FP8, 8.9, True),
    ("transformers", FP8, 8.0, True),
    ("transformers", MXFP4, 7.5, True),
    ("transformers", NVFP4, 10.0, False),
    ("transformers", MODELOPT_NVFP4, 10.0, False),
    ("transformers", NF4, 7.5, True),
    ("transformers", QuantSpec("aqlm", 2, scheme="codebook"), 8.0, True),
    ("transformers", QuantSpec("mlx", 4, 64), 8.9, False),
    ("transformers", exl("exl2", 4.0), 8.9, False),
    ("transformers", GGUF, 8.9, True),
    # TGI.
    ("tgi", gptq(4, 128, True), 8.0, True),
    ("tgi", gptq(3, 128), 8.0, False),
    ("tgi", gptq(8, 128), 7.5, True),
    ("tgi", awq(), 7.5, True),
    ("tgi", exl("exl2", 4.0), 8.0, True),
    ("tgi", packed(4, 128), 8.0, True),
    ("tgi", packed(4, 128), 7.5, False),
    ("tgi", packed(3, 128), 8.9, False),
    ("tgi", exl("exl3", 4.0), 8.9, False),
    ("tgi==0.8.2", gptq(4, 128, True), 8.0, True),
    ("tgi==0.8.2", gptq(3, 128), 8.0, False),
    ("tgi==0.8.1", gptq(4, 128), 8.0, False),
    ("tgi==1.0.3", awq(), 8.0, False),
    ("tgi==1.1.0", awq(), 8.0, True),
    ("tgi==2.0.4", exl("exl2", 4.0), 8.6, False),
    ("tgi==2.1.0", exl("exl2", 4.0), 8.6, True),
    ("tgi==2.1.0", exl("exl2", 4.0), 7.5, False),
    ("tgi==2.0.4", gptq(8, 128), 8.0, True),
    ("tgi==2.4.0", packed(4, 128), 8.0, False),
    ("tgi==2.4.1", packed(4, 128), 8.0, True),
    ("tgi==2.1.1", FP8, 8.9, False),
    ("tgi==2.4.0", FP8, 8.9, True),
    # vLLM: GPTQ by version.
    ("vllm==0.2.5", gptq(4, 128), 8.9, False),
    ("vllm==0.2.6", gptq(4, 128), 8.9, True),
    ("vllm==0.2.7", gptq(8, 128), 8.9, False),
    ("vllm==0.3.3", gptq(3, 128), 8.9, True),
    ("vllm==0.13.0", gptq(4, 128, True, False), 6.0, True),
    ("vllm==0.13.0", gptq(4, 128), 7.5, True),
    ("vllm==0.14.0", gptq(4, 128), 7.5, True),
    ("vllm==0.20.0", gptq(3, 128), 7.0, True),
    ("vllm==0.21.0", gptq(2, 128, sym=False), 8.9, True),
    ("vllm==0.22.0", gptq(2, 128), 8.9, False),
    ("vllm==0.22.0", gptq(4, 128, sym=False), 8.9, False),
    ("vllm==0.22.0", gptq(4, 128, True), 8.9, True),
    ("vllm==0.29.0", gptq(4, 32, True), 8.9, True),
    ("vllm==0.30.0", gptq(4, 32, True), 8.9, False),
    ("vllm", gptq(4, 32, True), 8.9, False),
    ("vllm", gptq(4, None, True), 8.9, True),
    ("vllm", gptq(8, 128), 7.5, True),
    ("vllm", gptq(4, 128), 7.0, False),
    ("vllm", gptq(4, 256), 8.9, False),
    ("vllm", gptq(4, 128, None, absent=frozenset({"desc_act"})), 8.9, False),
    ("vllm", gptq(4, 128, layers=(LayerQuant(bits=8),)), 8.9, True),
    ("vllm", gptq(4, 128, layers=(LayerQuant(bits=3),)), 8.9, False),
    ("vllm", gptq(4, 128, layers=(LayerQuant(desc_act=True),)), 8.9, False),
    ("vllm", gptq(4, None, True, layers=(LayerQuant(group_size=128),)), 8.9, False),
    ("vllm", gptq(4, 128, layers=(LayerQuant(bits=16),)), 8.9, True),
    ("vllm", gptq(4, 128, sym=None, layers=(LayerQuant(bits=3),)), 8.9, False),
    ("vllm", gptq(4, 128, layers=(LayerQuant(group_size=256),)), 8.9, False),
    ("vllm==0.20.0", gptq(4, 128, layers=(LayerQuant(bits=3),)), 8.9, False),
    ("vllm", gptq(4, 128, head_bits=4), 8.9, True),
    ("vllm", gptq(4, 128, checkpoint_format="marlin"), 8.9, False),
    ("vllm==0.10.0", gptq(4, 128, checkpoint_format="marlin"), 8.0, True),
    ("vllm[humming]", gptq(3, 128), 8.9, True),
    ("vllm[humming]", gptq(2, 64), 7.5, True),
    ("vllm[humming]", gptq(3, 128, sym=False), 8.9, False),
    ("vllm[humming]", gptq(3, 128, True), 8.9, False),
    ("vllm[humming]", gptq(3, None, True), 8.9, False),
    # vLLM: the other formats.
    ("vllm", awq(), 7.5, True),
    ("vllm", awq(), 7.0, False),
    ("vllm", awq(16), 8.9, False),
    ("vllm", awq(packing="gemv"), 8.9, False),
    ("vllm==0.2.5", awq(), 8.0, True),
    ("vllm", packed(4, 128, True), 8.9, False),
    ("vllm==0.29.0", packed(4, 128, True), 8.9, True),
    ("vllm==0.29.0", packed(3, 128, True), 8.9, False),
    ("vllm==0.29.0", packed(3, 256), 8.9, True),
    ("vllm", QuantSpec("compressed-tensors", 4, 128, True, True), 8.9, False),
    ("vllm", QuantSpec("compressed-tensors", 4, 128, False, True), 7.5, True),
    ("vllm==0.22.0", QuantSpec("compressed-tensors", 3, 128, False, True), 8.9, False),
    ("vllm", packed(3, 128), 8.0, True),
    ("vllm", packed(6, 256, sym=False), 7.5, True),
    ("vllm", packed(4, 128), 7.0, False),
    ("vllm==0.22.0", packed(3, 128), 8.9, False),
    ("vllm==0.11.0", packed(4, 128), 7.5, False),
    ("vllm==0.12.0", packed(4, 128), 7.5, True),
    ("vllm", CT_FP8, 7.5, True),
    ("vllm", CT_FP8, 7.0, False),
    ("vllm==0.15.1", CT_FP8, 7.5, False),
    ("vllm==0.15.1", CT_FP8, 8.0, True),
    ("vllm==0.15.1", FP8, 7.5, True),
    ("vllm", FP8, 7.5, True),
    ("vllm==0.13.0", FP8, 7.5, False),
    ("vllm", W8A8, 7.5, True),
    ("vllm", rounded(4), 7.5, True),
    ("vllm", rounded(3), 7.5, True),
    ("vllm", rounded(7, 64, False), 8.9, True),
    ("vllm==0.29.0", rounded(3), 8.9, False),
    ("vllm", replace(rounded(2), layers=(LayerQuant(bits=4), LayerQuant(bits=8))), 8.9, True),
    ("vllm", replace(rounded(4), layers=(LayerQuant(bits=2, group_size=32),)), 8.9, True),
    ("vllm==0.29.0", replace(rounded(4), layers=(LayerQuant(bits=2),)), 8.9, False),
    ("vllm", packed(4, 128, layers=(LayerQuant(bits=8, scheme="fp8", group_size=-1),)), 8.9, True),
    ("vllm", rounded(4, 128, False), 8.9, False),
    ("vllm", rounded(4, 128, False, "auto_round:auto_awq"), 8.9, True),
    ("vllm", MODELOPT_NVFP4, 7.5, True),
    ("vllm", MODELOPT_NVFP4, 7.0, False),
    ("vllm", NVFP4, 8.9, True),
    ("vllm==0.13.0", MODELOPT_NVFP4, 7.5, False),
    ("vllm==0.13.0", MODELOPT_NVFP4, 8.0, True),
    ("vllm", packed(4, 16, scheme="nvfp4", packing="nvfp4-pack-quantized", activation_bits=4), 7.5, True),
    ("vllm==0.15.1", packed(4, 16, scheme="nvfp4", packing="nvfp4-pack-quantized"), 7.5, False),
    ("vllm==0.13.0", packed(4, 32, scheme="mxfp4", packing="mxfp4-pack-quantized"), 9.0, False),
    ("vllm", MXFP4, 8.0, True),
    ("vllm", MXFP4, 7.5, False),
    ("vllm==0.9.2", MXFP4, 9.0, False),
    ("vllm", NF4, 8.9, False),
    ("vllm[vllm-bnb-plugin]", NF4, 8.9, True),
    ("vllm==0.27.1", NF4, 7.0, True),
    ("vllm", GGUF, 8.9, False),
    ("vllm[vllm-gguf-plugin]", GGUF, 8.9, True),
    ("vllm==0.23.0", GGUF, 6.1, True),
    ("vllm==0.24.0", GGUF, 8.9, False),
    ("vllm", QuantSpec("aqlm", 2, scheme="codebook"), 8.9, False),
    ("vllm==0.10.0", QuantSpec("aqlm", 2, scheme="codebook"), 8.9, True),
    ("vllm", QuantSpec("hqq", 4, 64), 8.9, False),
    ("vllm", QuantSpec("mlx", 4, 64), 8.9, False),
    ("vllm", exl("exl2", 4.0), 8.9, False),
    ("vllm", exl("exl3", 4.0), 8.9, False),
    # SGLang.
    ("sglang", gptq(4, 128, True), 8.0, True),
    ("sglang", gptq(4, 128), 7.5, False),
    ("sglang", gptq(4, 128, sym=False), 8.9, False),
    ("sglang==0.5.16", gptq(4, 128, sym=False), 8.9, True),
    ("sglang", gptq(3, 128), 8.9, False),
    ("sglang", gptq(4, 128, checkpoint_format="marlin"), 8.9, False),
    ("sglang", gptq(4, 128, None, absent=frozenset({"desc_act"})), 8.9, False),
    ("sglang", awq(), 7.5, True),
    ("sglang", awq(None), 8.0, True),
    ("sglang", awq(None), 7.5, False),
    ("sglang", packed(4, 128), 8.0, True),
    ("sglang", packed(4, 128), 7.5, False),
    ("sglang", packed(3, 128), 8.9, False),
    ("sglang", packed(8, 128), 8.0, True),
    ("sglang", FP8, 8.9, True),
    ("sglang", NF4, 8.0, True),
    ("sglang==0.5.5", NF4, 8.9, False),
    ("sglang", MODELOPT_NVFP4, 10.0, True),
    ("sglang", MODELOPT_NVFP4, 8.9, True),
    ("sglang==0.5.12", MODELOPT_NVFP4, 9.0, False),
    ("sglang", packed(4, 16, scheme="nvfp4", packing="nvfp4-pack-quantized"), 8.9, True),
    ("sglang==0.5.16", packed(4, 16, scheme="nvfp4", packing="nvfp4-pack-quantized", activation_bits=4), 8.9, False),
    ("sglang==0.4.6", packed(4, 128), 8.9, False),
    ("sglang", rounded(4), 8.0, True),
    ("sglang", rounded(3), 8.9, False),
    ("sglang", QuantSpec("hqq", 4, 64), 8.9, False),
    ("sglang", QuantSpec("aqlm", 2, scheme="codebook"), 8.9, False),
    ("sglang", GGUF, 8.0, True),
    ("sglang", exl("exl3", 4.0), 8.9, False),
    # Aphrodite.
    ("aphrodite", gptq(4, 128, True), 7.5, True),
    ("aphrodite", gptq(4, 128, sym=False), 8.9, False),
    ("aphrodite==0.6.5", gptq(3, 128, True, False), 6.0, True),
    ("aphrodite==0.20.0", gptq(2, 128), 7.0, True),
    ("aphrodite==0.22.0", gptq(2, 128), 8.9, False),
    ("aphrodite==0.6.5", awq(), 7.5, True),
    ("aphrodite==0.10.0", awq(), 7.5, True),
    ("aphrodite==0.20.0", awq(), 7.5, True),
    ("aphrodite", awq(), 7.0, False),
    ("aphrodite==0.20.0", exl("exl3", 4.0), 8.0, True),
    ("aphrodite==0.10.0", exl("exl3", 4.0), 8.9, False),
    ("aphrodite", exl("exl3", 4.0), 7.5, False),
    ("aphrodite==0.5.3", exl("exl2", 4.0), 8.9, True),
    ("aphrodite==0.6.0", exl("exl2", 4.0), 8.9, False),
    ("aphrodite", packed(3, 128), 8.9, True),
    ("aphrodite", packed(3, 128, sym=False), 8.9, False),
    ("aphrodite", packed(4, 128, sym=False), 8.9, True),
    ("aphrodite", packed(8, 128, sym=False), 8.9, True),
    ("aphrodite==0.6.5", GGUF, 6.0, True),
    ("aphrodite==0.21.0", GGUF, 6.0, True),
    ("aphrodite", GGUF, 8.9, False),
    ("aphrodite", NF4, 8.0, True),
    # LMDeploy, by version.
    ("transformers==4.54.1", MXFP4, 9.0, False),
    ("transformers==4.55.0", MXFP4, 9.0, True),
    ("transformers==4.55.0", MXFP4, 8.6, True),
    ("transformers==4.48.3", FP8, 9.0, False),
    ("transformers==4.49.0", FP8, 9.0, True),
    ("transformers==4.49.0", FP8, 8.9, False),
    ("transformers==4.51.3", FP8, 8.9, True),
    ("transformers==4.57.6", FP8, 8.6, False),
    ("transformers==5.0.0", FP8, 8.6, True),
    ("transformers==4.44.2", packed(4, 128), 8.0, False),
    ("transformers==4.45.2", packed(4, 128), 8.0, True),
    ("transformers==4.38.2", NF4, 8.0, True),
    ("lmdeploy==0.18.0", gptq(4, 128), 7.0, True),
    ("lmdeploy==0.9.2", gptq(4, 128), 7.0, True),
    ("lmdeploy==0.6.0", gptq(4, 128), 7.0, True),
    ("lmdeploy==0.5.3", gptq(4, 128), 8.0, False),
    ("lmdeploy==0.5.3", awq(), 7.5, True),
    ("lmdeploy==0.5.3", awq(), 7.0, False),
    ("lmdeploy==0.1.0", awq(), 8.0, True),
    ("lmdeploy==0.1.0", awq(), 7.5, False),
    ("lmdeploy", FP8, 7.5, True),
    ("lmdeploy==0.10.0", FP8, 8.9, False),
    ("lmdeploy==0.9.2", FP8, 9.0, True),
    ("lmdeploy", MXFP4, 7.0, True),
    ("lmdeploy==0.10.0", MXFP4, 7.5, False),
    ("lmdeploy==0.9.2", MXFP4, 9.0, False),
    ("lmdeploy", gptq(4, 128, True), 8.9, False),
    ("lmdeploy", gptq(4, 128, sym=False), 8.9, False),
    ("lmdeploy", gptq(4, 64), 8.9, False),
    ("lmdeploy", gptq(8, 128), 8.9, False),
    ("lmdeploy", gptq(4, 128, None, absent=frozenset({"desc_act"})), 8.9, True),
    ("lmdeploy", awq(), 7.0, True),
    ("lmdeploy", awq(packing="gemv"), 8.0, False),
    ("lmdeploy", awq(64), 8.0, False),
    ("lmdeploy", packed(4, 32), 7.0, True),
    ("lmdeploy", packed(4, 64), 7.0, False),
    ("lmdeploy", packed(8, 128), 8.9, False),
    ("lmdeploy==0.9.2", packed(4, 128), 8.9, False),
    ("lmdeploy", FP8, 8.9, True),
    # Those that run GGUF, and those that do not run what branches hold.
    ("llama.cpp", GGUF, 5.0, True),
    ("llama.cpp", gptq(4, 128), 8.9, False),
    ("koboldcpp", GGUF, 6.1, True),
    ("koboldcpp", exl("exl2", 4.0), 8.9, False),
    ("ollama", GGUF, 5.0, True),
    ("ollama", gptq(4, 128), 8.9, False),
    ("lmstudio", GGUF, 6.1, True),
    ("lmstudio", exl("exl3", 4.0), 8.9, False),
    ("lmstudio", QuantSpec("mlx", 4, 64), 8.9, False),
    ("ik_llama.cpp", GGUF, 7.5, True),
    ("ik_llama.cpp", GGUF, 6.1, False),
    ("mlc-llm", awq(), 8.9, False),
    ("tensorrt-llm", MODELOPT_NVFP4, 10.0, True),
    ("tensorrt-llm", MODELOPT_NVFP4, 8.9, False),
    ("tensorrt-llm", gptq(4, 128), 8.9, False),
    ("tensorrt-llm", exl("exl2", 4.0), 8.9, False),
    ("mistral.rs", gptq(4, 128), 8.0, True),
    ("mistral.rs", GGUF, 8.0, True),
    ("mistral.rs", exl("exl3", 4.0), 8.9, False),
    ("ktransformers", exl("exl3", 4.0), 8.9, False),
    ("koboldai", exl("exl2", 4.0), 7.0, True),
    ("koboldai", gptq(8, 128), 8.9, False),
)


@pytest.mark.parametrize(("choice", "quant", "capability", "taken"), CASES)
def test_each_loader_takes_what_its_source_says(choice: str, quant: QuantSpec, capability: float, taken: bool) -> None:
    verdict = judged(choice, quant, capability, model_type="llama", moe=False)
    assert verdict.accepted is taken, [reason.message for reason in verdict.reasons]


@pytest.mark.parametrize(
    ("choice", "quant", "architecture", "taken"),
    [
        ("exllamav3", exl("exl3", 4.0), "gfx1100", True),
        ("exllamav3==1.5.3", exl("exl3", 4.0), "gfx1100", False),
        ("exllamav3", exl("exl3", 4.0), "gfx906", False),
        ("exllamav2", gptq(4, 128), "gfx1030", True),
        ("vllm", gptq(4, 128), "gfx942", True),
        ("vllm", gptq(8, 128), "gfx942", False),
        ("vllm", awq(), "gfx1100", True),
        ("sglang", gptq(4, 128), "gfx942", False),
        ("llama.cpp", GGUF, "gfx1201", True),
        ("tabbyapi", exl("exl3", 4.0), "gfx1100", False),
    ],
)
def test_on_amd_gpus_what_nobody_looked_at_is_said_not_to_run(
    choice: str, quant: QuantSpec, architecture: str, taken: bool
) -> None:
    verdict = judged(choice, quant, None, rocm=architecture)
    assert verdict.accepted is taken, [reason.message for reason in verdict.reasons]
    assert taken or "platform" in {reason.code for reason in verdict.reasons}


@pytest.mark.parametrize("model_type", ["qwen3_5", "qwen3_5_moe", "lfm2"])
def test_transformers_keeps_gguf_packed_for_these_models_and_unpacks_the_others(model_type: str) -> None:
    kept, unpacked = judged("transformers", GGUF, 8.9, model_type=model_type), judged("transformers", GGUF, 8.9)
    assert kept.rule is not None
    assert unpacked.rule is not None
    assert (kept.rule.unpacks, unpacked.rule.unpacks) == (False, True)
    assert "unpacked" in {warning.code for warning in unpacked.warnings}


def test_before_transformers_5_17_every_gguf_is_unpacked() -> None:
    rule = judged("transformers==5.10.1", GGUF, 8.9, model_type="qwen3_5").rule
    assert rule is not None
    assert rule.unpacks


@pytest.mark.parametrize("choice", ["tabbyapi", "text-generation-webui", "exllamav3==1.4.2"])
def test_files_written_by_a_newer_exllamav3_than_the_reader_are_doubted(choice: str) -> None:
    codes = {warning.code for warning in judged(choice, exl("exl3", 3.0, writer_version="1.6.0"), 8.9).warnings}
    assert "newer-writer" in codes
    fractional = judged(choice, exl("exl3", 2.5, writer_version="1.6.0"), 8.9)
    assert [reason.code for reason in fractional.reasons] == ["writer-version"]
    assert judged(choice, exl("exl3", 2.5, writer_version="1.4.2"), 8.9).accepted
    older = judged(choice, exl("exl3", 3.0, writer_version="0.0.18"), 8.9)
    assert older.accepted
    assert "newer-writer" not in {warning.code for warning in older.warnings}


@pytest.mark.parametrize(
    ("quant", "extra"),
    [(gptq(3, 128), "humming"), (GGUF, "vllm-gguf-plugin"), (NF4, "vllm-bnb-plugin"), (gptq(3, 128, True), None)],
)
def test_a_rejection_names_what_would_open_the_loader(quant: QuantSpec, extra: str | None) -> None:
    verdict = judged("vllm", quant, 8.9)
    assert not verdict.accepted
    assert verdict.opened_by == extra
    assert ("would load it" in verdict.reasons[0].message) is (extra is not None)


@pytest.mark.parametrize(("intermediate", "kernel"), [(11008, "machete"), (11024, "marlin"), (11040, "marlin")])
def test_a_kernel_that_wants_multiples_leaves_odd_shapes_to_the_next(intermediate: int, kernel: str) -> None:
    shape = ModelShape(32, 4096, 32, 32, 128, intermediate, 32000)
    rule = judged("gptqmodel", gptq(4, 128), 9.0, shape=shape).rule
    assert rule is not None
    assert rule.kernel == kernel


def test_absent_is_not_unknown() -> None:
    unknown, absent = gptq(4, 128, None), gptq(4, 128, None, absent=frozenset({"desc_act"}))
    doubted = judged("vllm", unknown, 8.9)
    assert doubted.accepted
    assert "unknown-fact" in {warning.code for warning in doubted.warnings}
    assert [reason.code for reason in judged("vllm", absent, 8.9).reasons] == ["missing-key"]
    assert judged("lmdeploy", absent, 8.9).warnings == ()


def test_ktransformers_is_for_mixtures_of_experts() -> None:
    assert judged("ktransformers", FP8, 8.9, moe=True).accepted
    assert {reason.code for reason in judged("ktransformers", FP8, 8.9, moe=False).reasons} == {"architecture"}


@pytest.mark.parametrize(
    ("name", "suggested"), [("ollamma", "ollama"), ("lm-studo", "lmstudio"), ("mlx-lm", None), ("gpt4all", None)]
)
def test_only_names_that_are_nearly_the_same_are_suggested(name: str, suggested: str | None) -> None:
    found = TABLE.find(name)
    assert not isinstance(found, Loader)
    assert found.nearest[:1] == (() if suggested is None else (suggested,))
