"""Answers made by hand, so that a screen changes only where the screen is changed."""

from dataclasses import replace

from quantpick.core.card.siblings import Sibling
from quantpick.core.choose.fit import Fit
from quantpick.core.choose.recommend import Advice, Recommendation
from quantpick.core.choose.verdict import Choice
from quantpick.core.choose.wish import Wish
from quantpick.core.gpu import Gpu
from quantpick.core.loaders.versions import LoaderAt
from quantpick.core.memory.estimate import VramEstimate
from quantpick.core.quant import Branch, BranchWarning, QuantSpec, Reason
from quantpick.core.units import GIB
from quantpick.workflow.loader import choose_loader

REPO = "TheBloke/Airoboros-c34B-3.1.2-GPTQ"
_SOURCES = {"bits": "config", "group_size": "config"}
_BRANCHES = (
    ("gptq-8bit-128g-actorder_True", 8, 128, 32.2),
    ("gptq-8bit--1g-actorder_True", 8, None, 31.5),
    ("gptq-4bit-32g-actorder_True", 4, 32, 18.4),
    ("gptq-4bit-128g-actorder_True", 4, 128, 16.6),
    ("main", 4, None, 16.0),
    ("gptq-3bit-32g-actorder_True", 3, 32, 14.4),
    ("gptq-3bit-128g-actorder_True", 3, 128, 12.7),
)


def _loader() -> LoaderAt:
    found = choose_loader("exllama")
    return replace(found, loader=replace(found.loader, name="ExLlama", newest="2023.09.12"))


def answer(gib: int, branches: int = len(_BRANCHES)) -> Recommendation:
    """The seven branches of a 34B model on a GPU of so many GiB."""
    gpu = Gpu(index=0, name="GeForce RTX 4090", total_bytes=gib * GIB, free_bytes=gib * GIB, compute_capability=8.9)
    judged = [_choice(*_BRANCHES[at % 7], gib=gib, suffix="" if at < 7 else f"-v{at}") for at in range(branches)]
    fitting = [replace(one, rank=rank) for rank, one in enumerate((one for one in judged if one.fits), 1)]
    best = next(iter(fitting), None)
    if best is not None and best.branch.name.startswith("gptq-4bit-32g"):
        fitting[0] = replace(best, launch=("python", "server.py", "--model", "models/it's here"))
    return Recommendation(
        choices=(*fitting, *(one for one in judged if not one.fits)),
        gpus=(gpu,),
        wish=Wish(),
        loader=_loader(),
        repo_id=REPO,
        warnings=(BranchWarning("assumed-shape", None, "no config.json: its sizes are those of CodeLlama-34b"),),
        siblings=(Sibling(repo_id="TheBloke/Airoboros-c34B-3.1.2-AWQ", method="awq", label="AWQ"),),
        advice=()
        if fitting
        else (
            Advice("context", "2,048 tokens of context fit with main", ("--context", "2048")),
            Advice("model", "a model of about 20B in 4 bits would fit with 4,096 tokens"),
        ),
    )


def _choice(name: str, bits: float, group: int | None, weights_gib: float, *, gib: int, suffix: str) -> Choice:
    estimate = VramEstimate(round(weights_gib * GIB), round(0.75 * GIB), round(1.5 * GIB), round(0.5 * GIB))
    fit = Fit(
        estimate=estimate,
        budget_bytes=gib * GIB - GIB // 4,
        gpus_used=1,
        max_context_tokens=max(0, round((gib - weights_gib - 2) * 4096)),
    )
    loader = _loader()
    reasons = [Reason("bits", f"ExLlama takes 4-bit GPTQ, this branch is {bits}-bit")] if bits != 4 else []
    reasons += [Reason("vram", "too large")] if fit.spare_bytes < 0 else []
    branch = Branch(name=name + suffix, quant=QuantSpec("gptq", bits, group, True), sources=_SOURCES)  # type: ignore[arg-type]
    rule = replace(loader.loader.rules[0], source="turboderp/exllama@3b013cd model.py:132", checked="2026-11-23")
    return Choice(branch=branch, loader=loader, reasons=tuple(reasons), context_tokens=4096, fit=fit, rule=rule)
