"""What to do when no branch fits, and what would make a better one fit. All of it is computed, nothing guessed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from quantpick.core.choose.partly import LEAST_SHARE, offload_words, part_on_gpu
from quantpick.core.choose.recommend import Advice, Recommendation, by_quality, recommend
from quantpick.core.choose.verdict import Choice
from quantpick.core.gpu import Gpu, GpuProcess
from quantpick.core.loaders.kv_dtype import BadKvDtype, kv_dtype_bytes
from quantpick.core.loaders.table import LoaderTable
from quantpick.core.loaders.versions import LoaderAt
from quantpick.core.memory.weights import weights_file_size
from quantpick.core.quant import Branch, QuantSpec
from quantpick.core.shape import ModelShape
from quantpick.core.units import format_gib

_LEAST_CONTEXT: Final = 512
"""Tokens. A shorter context is of no use; chosen."""

_LOADERS_NAMED: Final = 2
"""The most other loaders to name; chosen."""

_SIZES: Final = (
    ("123B", ModelShape(88, 12288, 96, 8, 128, 28672, 32768)),
    ("70B", ModelShape(80, 8192, 64, 8, 128, 28672, 128256)),
    ("32B", ModelShape(64, 5120, 40, 8, 128, 27648, 152064)),
    ("24B", ModelShape(40, 5120, 32, 8, 128, 32768, 131072)),
    ("14B", ModelShape(48, 5120, 40, 8, 128, 13824, 152064)),
    ("8B", ModelShape(32, 4096, 32, 8, 128, 14336, 128256)),
    ("3B", ModelShape(28, 3072, 24, 8, 128, 8192, 128256, tie_word_embeddings=True)),
    ("1B", ModelShape(16, 2048, 32, 8, 64, 8192, 128256, tie_word_embeddings=True)),
)
"""Typical current models, the largest first: Mistral Large and Small, Llama 3 (70, 8, 3, 1), Qwen 2.5 (32, 14)."""


def advise(answer: Recommendation, table: LoaderTable, relatives: Sequence[Branch] = ()) -> tuple[Advice, ...]:
    """What would make a branch fit, or a better one, the best advice first.

    If nothing fits: a smaller cache, less context, memory that other processes hold, another repo of the same model, a
    part in system RAM, another loader, the largest model that would fit. Otherwise: what would make a better branch
    fit, or more context.

    Args:
        answer: the answer so far.
        table: the loader rules behind it.
        relatives: the quantizations of the same model in all repos, if known.
    """
    asker = _Asker(answer, table)
    elsewhere = tuple(asker.elsewhere(relatives))
    if answer.recommended is None:
        return (
            *asker.smaller_cache(),
            *asker.less_context(),
            *asker.freed(),
            *elsewhere,
            *asker.partly(),
            *asker.other_loaders(),
            *(() if elsewhere else asker.gguf()),
            *asker.size(),
            *asker.second_gpu(),
        )
    better = (*asker.allowed_tight(), *asker.freed(), *asker.smaller_cache()) if asker.could_be_better() else ()
    return (*better, *asker.longer_context())


def nothing_fits(answer: Recommendation) -> tuple[str, str]:
    """The error message for an answer without a recommended branch, and the hint."""
    first = next((one for one in answer.advice if one.options), None)
    nearest = _nearest(answer)
    if nearest is None:
        line = f"none of the branches that could fit is taken by {answer.loader.loader.name}"
    else:
        line = f"no branch fits: {_missing(nearest)}"
    if first is not None:
        return f"{line}; {first.message}", " ".join(first.options)
    return line, "quantpick loaders" if nearest is None else "a larger or second GPU, or a smaller model"


def _nearest(answer: Recommendation) -> Choice | None:
    """Of the branches that lack only memory, the one that lacks the least."""
    too_large = [choice for choice in answer.choices if choice.lacks_only_memory]
    return max(too_large, key=lambda choice: choice.fit.spare_bytes if choice.fit else 0, default=None)


def _missing(choice: Choice) -> str:
    assert choice.fit is not None
    need, missing = choice.fit.estimate, -choice.fit.spare_bytes
    return (
        f"the smallest, {choice.branch.name}, needs {format_gib(need.total_bytes)}, {format_gib(missing)} too much, "
        f"and the cache is {'only ' if need.kv_cache_bytes < missing else ''}{format_gib(need.kv_cache_bytes)} of it"
    )


def _fits(choice: Choice) -> str:
    return f"{choice.branch.name} fits{', tightly' if choice.is_tight else ''}"


@dataclass(frozen=True, slots=True)
class _Asker:
    """Asks the same question again with something changed, such as the cache type or the GPUs."""

    answer: Recommendation
    table: LoaderTable

    def _again(
        self, *, gpus: Sequence[Gpu] | None = None, loader: LoaderAt | None = None, **changed: object
    ) -> Recommendation:
        """The answer for a changed wish, other GPUs or another loader; by default the loader that judged."""
        wish = replace(self.answer.wish, loader=loader or self.answer.loader, **changed)  # type: ignore[arg-type]
        branches = [choice.branch for choice in self.answer.choices]
        return recommend(branches, gpus or self.answer.gpus, wish, self.table)

    def _better(self, other: Recommendation) -> Choice | None:
        """The other answer's branch, if it is better than the one recommended now and does not fit only tightly."""
        now, then = self.answer.recommended, other.recommended
        if then is None or now is None:
            return then
        if not then.is_tight and (then.branch.name != now.branch.name and self._rank(then) < self._rank(now)):
            return then
        return None

    def _rank(self, choice: Choice) -> tuple[object, ...]:
        return by_quality(choice, self.answer.ranked_by)

    def could_be_better(self) -> bool:
        """Whether a better branch is ruled out by memory alone."""
        now = self.answer.recommended
        takable = (choice for choice in self.answer.choices if choice.fits or choice.lacks_only_memory)
        return now is None or any(self._rank(choice) < self._rank(now) for choice in takable if choice is not now)

    def _named(self) -> tuple[str, ...]:
        """The option that names the loader, if the question left it open."""
        return () if self.answer.wish.names_a_loader else ("--loader", self.answer.loader.loader.id)

    def smaller_cache(self) -> Iterator[Advice]:
        """The largest KV cache type that makes a branch fit, or a better one."""
        for kv_dtype in self._smaller_caches():
            better = self._better(self._again(kv_dtype=kv_dtype))
            if better is not None:
                message = f"with a cache in {kv_dtype} instead of {self.answer.wish.kv_dtype} {_fits(better)}"
                yield Advice("kv-dtype", message, (*self._named(), "--kv-dtype", kv_dtype))
                return

    def _smaller_caches(self) -> list[str]:
        loader = self.answer.loader.loader
        asked = kv_dtype_bytes(loader, self.answer.wish.kv_dtype)
        if isinstance(asked, BadKvDtype):
            return []
        sizes = loader.kv_dtypes
        return sorted((name for name in sizes if sizes[name] < asked), key=lambda name: -sizes[name])

    def less_context(self) -> Iterator[Advice]:
        """The largest context at which a branch fits."""
        too_large = [choice for choice in self.answer.choices if choice.lacks_only_memory]
        longest = max(too_large, key=lambda choice: choice.max_context_tokens or 0, default=None)
        tokens = longest.max_context_tokens if longest else None
        if longest is None or tokens is None or tokens < _LEAST_CONTEXT:
            return
        message = f"{tokens:,} tokens of context fit with {longest.branch.name}"
        yield Advice("context", message, (*self._named(), "--context", str(tokens)))

    def longer_context(self) -> Iterator[Advice]:
        """How much context fits with a smaller cache type, if the model was made for more than fits now."""
        best = self.answer.recommended
        if best is None or best.fit is None or best.branch.shape is None:
            return
        limit = best.branch.shape.max_position_embeddings
        if limit is None or best.fit.max_context_tokens >= limit:
            return
        for kv_dtype in self._smaller_caches()[:1]:
            wider = next(
                one for one in self._again(kv_dtype=kv_dtype).choices if one.branch.name == best.branch.name
            ).fit
            if wider is not None and wider.max_context_tokens > best.fit.max_context_tokens:
                tokens = wider.max_context_tokens
                message = f"with a cache in {kv_dtype} {tokens:,} tokens of context fit"
                yield Advice("kv-dtype", message, (*self._named(), "--kv-dtype", kv_dtype, "--context", str(tokens)))

    def allowed_tight(self) -> Iterator[Advice]:
        """The better branch that fits only tightly."""
        tight = [one for one in self.answer.choices if one.is_tight]
        better = min(tight, key=self._rank, default=None)
        now = self.answer.recommended
        if better is None or better.fit is None or now is None or self._rank(better) >= self._rank(now):
            return
        message = f"{better.branch.name} fits too, but tightly: {format_gib(better.fit.spare_bytes)} to spare"
        yield Advice("allow-tight", message, ("--allow-tight",))

    def freed(self) -> Iterator[Advice]:
        """The fewest processes, the largest first, that must be closed for a branch to fit, or a better one."""
        if self.answer.wish.vram_basis != "free":
            return
        held = [(gpu, one) for gpu in self.answer.gpus for one in gpu.processes if one.used_bytes]
        closed: list[GpuProcess] = []
        gpus = list(self.answer.gpus)
        for gpu, process in sorted(held, key=lambda pair: -(pair[1].used_bytes or 0)):
            closed.append(process)
            at = next(index for index, one in enumerate(gpus) if one.index == gpu.index)
            free = min(gpu.total_bytes, gpus[at].free_bytes + (process.used_bytes or 0))
            gpus[at] = replace(gpus[at], free_bytes=free)
            better = self._better(self._again(gpus=gpus))
            if better is not None:
                names = " and ".join(f"{one.name} ({format_gib(one.used_bytes or 0)})" for one in closed)
                yield Advice("free-vram", f"close {names} and {_fits(better)}")
                return

    def elsewhere(self, relatives: Sequence[Branch]) -> Iterator[Advice]:
        """The best quantization of the same model in another repo, for the wished loader or the best one."""
        if not relatives:
            return
        found = recommend(relatives, self.answer.gpus, self.answer.wish, self.table)
        if found.recommended is not None:
            loader = "" if self.answer.wish.names_a_loader else f"with {found.loader.loader.name} "
            message = f"{loader}{_fits(found.recommended)}: another repo of the same model"
            yield Advice("sibling", message, ("--family",))

    def partly(self) -> Iterator[Advice]:
        """The best set of GGUF files of which at least half fits on the GPUs, with the rest in system RAM."""
        free = self.answer.ram_free_bytes
        for choice in self.answer.choices:
            part = part_on_gpu(choice)
            if part is None or part.gpu_share < LEAST_SHARE or (free is not None and part.ram_bytes > free):
                continue
            message = (
                f"{choice.branch.name} runs with {part.gpu_share:.0%} of its weights on the GPU and "
                f"{format_gib(part.ram_bytes)} in system RAM, slower: {offload_words(part, choice.loader)}"
            )
            yield Advice("part-in-ram", message)
            return

    def other_loaders(self) -> Iterator[Advice]:
        """Other loaders with which a branch fits."""
        named = 0
        for loader in self.table.maintained():
            if loader.id == self.answer.loader.loader.id or named == _LOADERS_NAMED:
                continue
            better = self._better(self._again(loader=LoaderAt(loader=loader)))
            if better is not None:
                named += 1
                yield Advice("loader", f"with {loader.name} {_fits(better)}", ("--loader", loader.id))

    def size(self) -> Iterator[Advice]:
        """The largest model that would fit in 4 bits."""
        first = self.answer.choices[0].branch if self.answer.choices else None
        if first is None:
            return
        method = first.quant.method if first.quant.method in ("gptq", "awq", "exl2", "exl3") else "gptq"
        group = 128 if method in ("gptq", "awq") else None
        for name, shape in _SIZES:
            quant = QuantSpec(method, 4, group, False if group else None, True, bpw=None if group else 4.0)
            branch = Branch(
                name=name,
                quant=quant,
                size_bytes=weights_file_size(quant, shape),
                shape=shape,
                model_type="llama",
                sources=dict.fromkeys(("method", "bits", "group_size", "desc_act", "sym", "head_bits"), "config"),
            )
            wish = replace(self.answer.wish, loader=self.answer.loader)
            found = recommend([branch], self.answer.gpus, wish, self.table).recommended
            if found is not None and not found.is_tight:
                yield Advice(
                    "size", f"a model of about {name} in 4 bits would fit with {found.context_tokens:,} tokens"
                )
                return

    def gguf(self) -> Iterator[Advice]:
        """The model's GGUF repo, if the card names one."""
        named = next((one for one in self.answer.siblings if one.method == "gguf"), None)
        if named is not None:
            yield Advice("sibling", f"{named.repo_id} is GGUF: llama.cpp keeps in RAM what does not fit")

    def second_gpu(self) -> Iterator[Advice]:
        """Whether a second GPU like the largest would be enough."""
        largest = max(self.answer.gpus, key=lambda gpu: gpu.total_bytes)
        more = replace(largest, index=len(self.answer.gpus), free_bytes=largest.total_bytes)
        better = self._better(self._again(gpus=(*self.answer.gpus, more)))
        if better is not None:
            size = format_gib(largest.total_bytes)
            yield Advice("gpu", f"with one more GPU of {size} {_fits(better)}")
