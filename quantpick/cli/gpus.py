"""``quantpick gpus``."""

from quantpick.cli.options import AsJson


def gpus(as_json: AsJson = False) -> None:
    """This machine's NVIDIA GPUs and RAM. No driver is an answer, not an error."""
    from quantpick.workflow.machine import machine

    answer = machine()
    if as_json:
        from quantpick.render import documents, terminal

        terminal.write_answer(documents.document("gpus", documents.gpus_data(answer)))
    else:
        from quantpick.render.screens.machine import machine_page
        from quantpick.render.show import show

        show(machine_page(answer))
