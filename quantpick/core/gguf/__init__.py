"""GGUF: which files of a repo are one quantization, what their names say, and what a file's header says."""
