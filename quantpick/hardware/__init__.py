"""Facts about this machine: NVIDIA GPUs through NVML, known GPUs by name, RAM."""
