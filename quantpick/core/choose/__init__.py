"""Which branch, for these GPUs and this wish."""
