"""``quantpick gpus``."""

import typer

from quantpick.cli.options import AsJson


def gpus(as_json: AsJson = False) -> None:
    """This machine's NVIDIA GPUs and RAM. No driver is an answer, not an error."""
    from quantpick.hardware import nvml
    from quantpick.hardware import ram as memory

    found = nvml.detect()
    ram = memory.ram()
    if as_json:
        from quantpick.render import documents

        data = {
            "driver_version": found.driver_version,
            "cuda_version": found.cuda_version,
            "gpus": documents.detected_gpu_list(found.gpus),
            "hidden": documents.hidden_gpu_list(found.hidden),
            "problem": found.problem,
            "ram_total_bytes": ram.total_bytes,
            "ram_available_bytes": ram.available_bytes,
        }
        typer.echo(documents.document("gpus", data))
    else:
        from quantpick.render import screen

        screen.show_gpus(
            found.gpus,
            found.hidden,
            driver_version=found.driver_version,
            cuda_version=found.cuda_version,
            problem=found.problem,
            ram_total_bytes=ram.total_bytes,
            ram_available_bytes=ram.available_bytes,
        )
