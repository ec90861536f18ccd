"""Which branch to run, for these GPUs and this wish."""
