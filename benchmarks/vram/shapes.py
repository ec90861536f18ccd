"""The shapes that are measured, as their public config.json has them."""

SHAPES: dict[str, dict[str, int]] = {
    name: dict(
        zip(
            (
                "hidden_size",
                "num_hidden_layers",
                "num_attention_heads",
                "num_key_value_heads",
                "intermediate_size",
                "vocab_size",
            ),
            dimensions,
            strict=True,
        )
    )
    for name, dimensions in {
        "llama2-7b": (4096, 32, 32, 32, 11008, 32000),
        "mistral-7b": (4096, 32, 32, 8, 14336, 32000),
        "llama2-13b": (5120, 40, 40, 40, 13824, 32000),
        "codellama-34b": (8192, 48, 64, 8, 22016, 32000),
        "llama2-70b": (8192, 80, 64, 8, 28672, 32000),
        "llama31-8b": (4096, 32, 32, 8, 14336, 128256),
        "qwen25-7b": (3584, 28, 28, 4, 18944, 152064),
        "qwen25-0.5b": (896, 24, 14, 2, 4864, 151936),
    }.items()
}
