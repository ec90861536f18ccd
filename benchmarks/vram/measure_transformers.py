"""Measure on a GPU what Transformers allocates beside weights and cache, for random 16-bit models of real shapes.

    python measure_transformers.py SECONDS SPEC...     one JSON line per point
    SPEC = family:shape[/layers]:prompt:batch[:new]

`family` is a model type of Transformers (llama, qwen2, gemma2, ...). `new` tokens (8) are generated after the prompt.
"""

import gc
import json
import sys
import time

from gpu_process import started
from shapes import SHAPES


def main() -> None:
    import torch
    import transformers

    held, context_bytes = started()
    deadline = time.time() + float(sys.argv[1])
    made = model = None
    for spec in sys.argv[2:]:
        if time.time() > deadline:
            print("SKIP", spec, flush=True)
            continue
        family, name, prompt, batch, *new = spec.split(":")
        key, _, layers = name.partition("/")
        shape = dict(SHAPES[key])
        shape["num_hidden_layers"] = int(layers or shape["num_hidden_layers"])
        if made != (family, name):
            model = None
            gc.collect()
            torch.cuda.empty_cache()
            config = transformers.AutoConfig.for_model(family, **shape, max_position_embeddings=131072)
            config.pad_token_id = 0
            torch.set_default_dtype(torch.float16)
            with torch.device("cuda"):
                model = transformers.AutoModelForCausalLM.from_config(config).half().eval()
            torch.set_default_dtype(torch.float32)
            made = (family, name)
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.synchronize()
        weights = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        ids = torch.randint(3, 30000, (int(batch), int(prompt)), device="cuda")
        tokens = int(new[0]) if new else 8
        with torch.inference_mode():
            model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False
            )
        torch.cuda.synchronize()
        print(
            json.dumps(
                {
                    "family": family,
                    "model": key,
                    "layers": shape["num_hidden_layers"],
                    "prompt": int(prompt),
                    "batch": int(batch),
                    "new": tokens,
                    "weights": weights,
                    "peak_alloc": torch.cuda.max_memory_allocated(),
                    "peak_reserved": torch.cuda.max_memory_reserved(),
                    "context": context_bytes,
                    "after_run": held(),
                    "loader": f"transformers {transformers.__version__}, torch {torch.__version__}",
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
