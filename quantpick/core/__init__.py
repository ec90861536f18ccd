"""What decides. Pure: facts in, values out; no I/O, no clock, no environment."""
