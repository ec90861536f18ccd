"""The JSON documents. Their keys are interface, fixed by a contract test. Unknown is null, sizes are bytes."""

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from quantpick.core.branches.table import BranchTable, Family
from quantpick.core.card.siblings import Sibling
from quantpick.core.choose.recommend import Advice, Recommendation
from quantpick.core.choose.verdict import Choice
from quantpick.core.gpu import Gpu, Machine
from quantpick.core.loaders.table import Loader, Rule
from quantpick.core.loaders.versions import LoaderAt
from quantpick.core.loaders.words import accepts_in_words, versions_in_words
from quantpick.core.outcome import CleanReport, DownloadResult, VerifyReport
from quantpick.core.quant import Branch, BranchWarning
from quantpick.errors import QuantpickError

SCHEMA_VERSION: Final = 1

Json = dict[str, Any]


def document(command: str, data: Json) -> str:
    """One document as ASCII text, safe for any pipe."""
    return _text({"schema_version": SCHEMA_VERSION, "command": command, "data": data})


def error_document(command: str, error: QuantpickError) -> str:
    """What ``--json`` says on stderr instead of an answer."""
    said = {"code": error.code, "message": error.message, "hint": error.hint, "exit_code": error.exit_code}
    return _text({"schema_version": SCHEMA_VERSION, "command": command, "error": said})


def _text(value: Json) -> str:
    return json.dumps(_finite(value), indent=2, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:  # noqa: ANN401 - any part of a document
    """A value valid in JSON: NaN and infinity, which a file may contain, become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list) else value


def list_data(table: BranchTable) -> Json:
    """The ``data`` of ``quantpick list``."""
    return {
        "repo_id": table.repo_id,
        "branches": [_branch(branch, table.repo_id) for branch in table.branches],
        "skipped": [{"branch": skipped.branch, "reason": skipped.reason} for skipped in table.skipped],
        "warnings": _warnings(table.warnings),
        "siblings": _siblings(table.siblings),
    }


def recommend_data(answer: Recommendation) -> Json:
    """The ``data`` of ``quantpick recommend``."""
    best = answer.recommended
    shown = best or (answer.choices[0] if answer.choices else None)
    return {
        "repo_id": answer.repo_id,
        "loader": _loader_choice(answer.loader),
        "context_tokens": shown.context_tokens if shown else answer.wish.context_tokens,
        "kv_dtype": answer.wish.kv_dtype,
        "gpus": _gpus(answer.gpus),
        "budget_bytes": shown.fit.budget_bytes if shown and shown.fit else None,
        "recommended": _choice(best, answer.repo_id) if best else None,
        "branches": [_choice(choice, answer.repo_id) for choice in answer.choices],
        "advice": _advice(answer.advice),
        "siblings": _siblings(answer.siblings),
        "family": _family(answer.family),
        "warnings": _warnings(answer.warnings),
    }


def download_data(result: DownloadResult) -> Json:
    """The ``data`` of ``quantpick download``."""
    return {
        "repo_id": result.repo_id,
        "branch": result.branch,
        "commit": result.commit,
        "path": result.path,
        "transport": result.transport,
        "files": [
            {
                "path": file.path,
                "size_bytes": file.size_bytes,
                "sha256": file.sha256,
                "verified": not result.planned,
            }
            for file in result.files
        ],
        "left_out": [{"path": file.path, "size_bytes": file.size_bytes} for file in result.left_out],
        "left_behind": list(result.left_behind),
        "bytes_total": result.total_bytes,
        "bytes_fetched": result.fetched_bytes,
        "bytes_reused": result.reused_bytes,
        "seconds": round(result.seconds, 3),
        "launch": None if result.launch is None else list(result.launch),
        "advice": [],
        "siblings": [],
    }


def no_download_data(answer: object) -> Json:
    """The same if no branch fits: nothing was fetched, with advice."""
    assert isinstance(answer, Recommendation)
    return {
        "repo_id": answer.repo_id,
        "branch": None,
        "commit": None,
        "path": None,
        "transport": None,
        "files": [],
        "left_out": [],
        "left_behind": [],
        "bytes_total": 0,
        "bytes_fetched": 0,
        "bytes_reused": 0,
        "seconds": 0.0,
        "launch": None,
        "advice": _advice(answer.advice),
        "siblings": _siblings(answer.siblings),
    }


def verify_data(reports: Sequence[VerifyReport]) -> Json:
    """The ``data`` of ``quantpick verify``."""
    return {
        "reports": [
            {
                "repo_id": report.repo_id,
                "branch": report.branch,
                "commit": report.commit,
                "path": report.path,
                "sound": report.is_sound,
                "files": [{"path": path, "state": state} for path, state in report.files],
            }
            for report in reports
        ]
    }


def clean_data(report: CleanReport) -> Json:
    """The ``data`` of ``quantpick clean``."""
    return {
        "path": report.path,
        "dry_run": report.dry_run,
        "files": [
            {
                "path": one.path,
                "size_bytes": one.size_bytes,
                "kind": one.kind,
                "removed": not (one.in_use or report.dry_run),
            }
            for one in report.leftovers
        ],
        "bytes_total": report.size_bytes,
    }


def gpus_data(machine: Machine) -> Json:
    """The ``data`` of ``quantpick gpus``. GPUs that CUDA does not show have no index: it does not number them."""
    found, ram = machine.found, machine.ram
    return {
        "driver_version": found.driver_version,
        "cuda_version": found.cuda_version,
        "gpus": _detected(found.gpus),
        "hidden": [gpu | {"index": None} for gpu in _detected(found.hidden)],
        "problem": found.problem,
        "ram_total_bytes": ram.total_bytes,
        "ram_available_bytes": ram.available_bytes,
    }


def _detected(gpus: Sequence[Gpu]) -> list[Json]:
    """The GPU objects, with the processes that hold memory on them."""
    return [
        document
        | {
            "used_bytes": gpu.used_bytes,
            "processes": [{"pid": one.pid, "name": one.name, "used_bytes": one.used_bytes} for one in gpu.processes],
        }
        for document, gpu in zip(_gpus(gpus), gpus, strict=True)
    ]


def loaders_data(loaders: Sequence[Loader]) -> Json:
    """The ``data`` of ``quantpick loaders``."""
    return {
        "loaders": [
            {
                "name": loader.id,
                "title": loader.name,
                "aliases": list(loader.aliases),
                "status": loader.status,
                "version": loader.newest,
                "split": loader.split,
                "kv_dtypes": dict(loader.kv_dtypes),
                "rules": [_rule(rule) for rule in loader.rules],
            }
            for loader in loaders
        ]
    }


def _gpus(gpus: Iterable[Gpu]) -> list[Json]:
    return [
        {
            "index": gpu.index,
            "uuid": gpu.uuid,
            "name": gpu.name,
            "total_bytes": gpu.total_bytes,
            "free_bytes": gpu.free_bytes,
            "compute_capability": None if gpu.compute_capability is None else f"{gpu.compute_capability:.1f}",
        }
        for gpu in gpus
    ]


def _rule(rule: Rule) -> Json:
    floor = rule.min_capability or min(rule.capabilities or (), default=None)
    return {
        "method": rule.method,
        "versions": versions_in_words(rule),
        "accepts": accepts_in_words(rule),
        "min_compute_capability": None if floor is None else f"{floor:.1f}",
        "kernel": rule.kernel,
        "source": rule.source,
        "checked": rule.checked,
        "unverified": rule.unverified,
    }


def _branch(branch: Branch, repo_id: str | None) -> Json:
    quant, files = branch.quant, branch.files
    return {
        "repo_id": branch.repo_id(repo_id),
        "kind": branch.kind,
        "name": branch.name,
        "branch": branch.git_branch,
        "commit": branch.commit,
        "method": quant.method,
        "bits": quant.bits,
        "bpw": quant.effective_bpw,
        "head_bits": quant.head_bits,
        "group_size": quant.group_size,
        "desc_act": quant.desc_act,
        "sym": quant.sym,
        "damp_percent": branch.damp_percent,
        "dataset": branch.dataset,
        "seq_len": branch.seq_len,
        "size_bytes": branch.size_bytes,
        "exllama": branch.exllama,
        "description": branch.description,
        "quality": {metric: {"value": said.value, "against": said.against} for metric, said in branch.quality.items()},
        "files": None if files is None else list(files.paths),
        "imatrix": None if files is None else files.imatrix,
        "mmproj": [] if files is None else list(files.projectors),
        "sources": dict(branch.sources),
    }


def _choice(choice: Choice, repo_id: str | None) -> Json:
    fit = choice.fit
    return _branch(choice.branch, repo_id) | {
        "verdict": choice.verdict,
        "rank": choice.rank,
        "reasons": [{"code": reason.code, "message": reason.message} for reason in choice.reasons],
        "loader": _loader_choice(choice.loader),
        "estimate": None
        if fit is None
        else {
            "weights_bytes": fit.estimate.weights_bytes,
            "kv_cache_bytes": fit.estimate.kv_cache_bytes,
            "scratch_bytes": fit.estimate.scratch_bytes,
            "context_bytes": fit.estimate.cuda_context_bytes,
            "total_bytes": fit.estimate.total_bytes,
        },
        "headroom_bytes": None if fit is None else fit.spare_bytes,
        "max_context_tokens": None if fit is None else fit.max_context_tokens,
        "launch": None if choice.launch is None else list(choice.launch),
    }


def _loader_choice(choice: LoaderAt | None) -> Json | None:
    return None if choice is None else {"name": choice.loader.id, "version": choice.shown_version}


def _siblings(siblings: Iterable[Sibling]) -> list[Json]:
    return [{"repo_id": sibling.repo_id, "method": sibling.method} for sibling in siblings]


def _family(family: Family | None) -> Json | None:
    """The repos of an answer about several; null in an answer about one."""
    if family is None:
        return None
    left_out = [{"repo_id": repo_id, "reason": reason} for repo_id, reason in family.left_out.items()]
    return {"base_model": family.base_model, "repos": list(family.repos), "left_out": left_out}


def _advice(advice: Iterable[Advice]) -> list[Json]:
    return [{"code": one.code, "message": one.message, "options": list(one.options)} for one in advice]


def _warnings(warnings: Iterable[BranchWarning]) -> list[Json]:
    return [{"code": warning.code, "branch": warning.branch, "message": warning.message} for warning in warnings]
