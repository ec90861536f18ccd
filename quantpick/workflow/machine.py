"""What this machine has: its GPUs and its RAM."""

from quantpick.core.gpu import Machine


def machine() -> Machine:
    """This machine's NVIDIA GPUs and RAM. No driver is an answer, not an error."""
    from quantpick.hardware.nvml import detect
    from quantpick.hardware.ram import ram

    return Machine(found=detect(), ram=ram())
