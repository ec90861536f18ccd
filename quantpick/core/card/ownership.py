"""Whose card it is, and which of the branches it shows are this repo's."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from quantpick.core.card.inline import read_inline
from quantpick.core.card.limits import MAX_ROWS, Budget
from quantpick.core.card.markdown import SUMMARY, Block, Cells, DetailsEnd, Fence, Heading, Table, Text, lines_of
from quantpick.core.card.names import alike, letters_of, model_in, stem_of
from quantpick.core.card.rows import Found
from quantpick.core.hub_url import read_hub_url
from quantpick.core.methods import BRANCH_WORDS, IN_BRANCHES, METHODS, Method, method_in, spelled

_ORIGINAL_CARD: Final = re.compile(
    r"\boriginal\b.{0,60}\b(?:card|read ?me|description)\b|\b(?:card|read ?me)\b.{0,30}\boriginal\b|原始?模型卡",
    re.IGNORECASE,
)
_WORDS: Final = spelled(BRANCH_WORDS)
_TOOLS: Final = spelled(tool for method in METHODS.values() for tool in method.tools)
_MADE_HERE: Final = re.compile(
    rf"\b(?:{_WORDS}|exllama)\b.{{0,30}}\bquant\w* (?:of|for)\b"
    rf"|\bquant\w*\b.{{0,60}}\b(?:using|with|to|by)\b.{{0,60}}\b(?:{_TOOLS})"
    rf"|\bcontains?\b.{{0,20}}\b(?:{_WORDS})\b",
    re.IGNORECASE,
)
"""How a quantizer's card says that it is one; the author's own card speaks of "EXL2 quants: [link]" instead."""
_COMMAND: Final = re.compile(
    r"""(?:\bdownload |\bclone\b.{0,80}\bhuggingface\.co/|_name_or_path ?= ?["']|^ ?--model )([\w-][\w.-]*/[\w.-]+)"""
)


def own_blocks(blocks: Sequence[Block]) -> list[Block]:
    """The blocks that the publisher wrote: all above a quoted original model card, and below it if it is collapsed."""
    own: list[Block] = []
    depth = 0
    for block in blocks:
        is_summary = isinstance(block, Heading) and block.level == SUMMARY
        if depth:
            depth += 1 if is_summary else -1 if isinstance(block, DetailsEnd) else 0
        elif isinstance(block, Heading) and _ORIGINAL_CARD.search(block.text[:300]):
            if not is_summary:
                break
            depth = 1
        elif isinstance(block, Text) and (cut := _quote_start(block.lines)) is not None:
            own.append(Text(block.lines[:cut]))
            break
        else:
            own.append(block)
    return own


def _quote_start(lines: Sequence[str]) -> int | None:
    """The bold line that stands in for the heading of a quoted card."""
    bold = (
        i for i, line in enumerate(lines) if line.startswith("**") and len(line) < 200 and line.endswith(("**", ":"))
    )
    return next((i for i in bold if _ORIGINAL_CARD.search(lines[i])), None)


class About:
    """What the whole card says: whose it is, of which model, quantized how."""

    def __init__(self, front: Mapping[str, Cells], blocks: Sequence[Block], repo_id: str | None) -> None:
        self.front = front
        self.given = repo_id
        self.title = next(
            (read_inline(b.text[:500]).plain for b in blocks if isinstance(b, Heading) and b.level < SUMMARY), ""
        )
        lines = (line for block in blocks[:40] for line in lines_of(block)[:40])
        self.introduction = next((match[0] for line in lines if (match := _MADE_HERE.search(line[:1000]))), "")
        self.commands = Counter(_commands(blocks))
        self.base_models = tuple(base.removeprefix("https://huggingface.co/") for base in front.get("base_model", ()))
        self.repo_links = list(_repo_links(blocks))
        self.repo_id = repo_id or next((repo for repo, _ in self.commands.most_common(1)), None)

    @property
    def named_method(self) -> Method | None:
        """How the weights are stored, as the repo's name says it."""
        return _method_of(self.repo_id)

    @property
    def method(self) -> Method | None:
        """How the weights are stored: the repo's name, else the front matter, the title, the introduction."""
        words = [*self.front.get("tags", ()), *self.front.get("library_name", ())]
        return next(filter(None, [self.named_method, *map(method_in, (*words, self.title, self.introduction))]), None)

    @property
    def model_name(self) -> str | None:
        """The front matter's, else the title's if it names a model, else the repo's without the quantization's."""
        named = self.front.get("model_name", ())
        known = [stem_of(name.rpartition("/")[2]) for name in (self.repo_id or "", *self.base_models) if name]
        title = model_in(self.title)
        if any(alike(title, name) for name in known) or (not self.repo_id and re.search(r"\d", title)):
            named = (*named, title)
        return next(filter(None, (*named, *known)), None)

    def own(self, found: list[Found]) -> list[Found]:
        """Of the rows found, those about this repo's branches."""
        found = [one for one in found if not _is_of_files(one)]
        linked = Counter(one.repo for one in found if one.repo)
        if len(linked) > 1 and all(one.row.branch == "main" for one in found):
            return []  # one repo per quantization, each shown by its main branch
        tabled = Counter(one.repo for one in found if one.repo and one.tabled)
        accepted = self._accept_inferred(tabled or linked) if self.given is None else _accept_given(linked, self.given)
        if not linked and self.given and self.commands and not _accept_given(self.commands, self.given):
            return []
        sure = {one.repo for one in found if not one.unsure}
        found = [
            one for one in found if one.repo in sure or method_in((one.repo or "").rpartition("/")[2]) in IN_BRANCHES
        ]
        foreign = {one.group for one in found if one.repo} - {one.group for one in found if one.repo in accepted}
        return [one for one in found if one.repo in accepted or (one.repo is None and one.group not in foreign)]

    def _accept_inferred(self, linked: Counter[str]) -> set[str]:
        """The repo that the card's branch links show most, in any case; none if they show somebody else's."""
        if not linked:
            return set()
        counts = Counter(repo.casefold() for repo in linked.elements())
        titles = {letters_of(self.title), letters_of(model_in(self.title))}
        names = {repo: repo.rpartition("/")[2] for repo in counts}
        own = max(
            counts,
            key=lambda repo: (bool(titles & {letters_of(names[repo]), letters_of(stem_of(names[repo]))}), counts[repo]),
        )
        spelling = next(repo for repo in linked if repo.casefold() == own)
        if self._is_somebody_elses(spelling):
            return set()
        self.repo_id = spelling
        return {repo for repo in linked if repo.casefold() == own}

    def _is_somebody_elses(self, repo: str) -> bool:
        """Whether an author's card points at somebody's quantizations of the author's model.

        A quantizer's card says in some way that it is one, the author's does not. The author names as base model what
        the model was made from, and the linked repo is not named after that; or other formats by others are beside it.
        """
        owner, _, name = repo.partition("/")
        if self._is_quantizers(repo):
            return False
        if self.base_models:
            return not any(alike(stem_of(name), base.rpartition("/")[2]) for base in self.base_models)
        others = {url for _, url, _ in self.repo_links if url.partition("/")[0].casefold() != owner.casefold()}
        return any(method_in(url.rpartition("/")[2], last=True) not in (None, method_in(name)) for url in others)

    def _is_quantizers(self, repo: str) -> bool:
        words = [*self.front.get("tags", ()), *self.front.get("library_name", ()), self.title]
        return (
            bool(self.introduction)
            or "quantized_by" in self.front
            or "quantized" in self.front.get("base_model_relation", ())
            or any(method_in(word) in IN_BRANCHES for word in words)
            or any(command.casefold() == repo.casefold() for command in self.commands)
        )


def _method_of(repo_id: str | None) -> Method | None:
    return method_in((repo_id or "").rpartition("/")[2], last=True)


def _is_of_files(found: Found) -> bool:
    """Whether a link shows a repo whose quantizations are files: its branches are versions, unless their names say."""
    method = _method_of(found.repo)
    return method is not None and method not in IN_BRANCHES and found.row.facts.method != method


def _accept_given(linked: Counter[str], given: str) -> set[str]:
    """The linked repos that are the given one: the same name under any owner, or the only one and nearly its name."""
    same = {repo for repo in linked if letters_of(repo.rpartition("/")[2]) == letters_of(given.rpartition("/")[2])}
    if not same and len(linked) == 1:
        same = {repo for repo in linked if _is_mistyped(repo.casefold(), given.casefold())}
    return same


def _is_mistyped(repo: str, given: str) -> bool:
    """Whether one name of one owner's is the other less a word: the publisher copied a link and missed a word.

    A word for a method or for bits is none that was missed: the other repo holds another quantization.

    >>> _is_mistyped("owner/finch-7b-exl2", "owner/finch-7b-chat-exl2")
    True
    >>> _is_mistyped("owner/finch-7b-exl2", "owner/finch-13b-exl2"), _is_mistyped("x/finch-exl2", "y/finch-chat-exl2")
    (False, False)
    >>> _is_mistyped("owner/finch-7b-gguf-8bit", "owner/finch-7b")
    False
    """
    one, other = (set(re.split(r"[^a-z0-9]+", name.rpartition("/")[2])) for name in (repo, given))
    missed = one ^ other
    return (
        repo.partition("/")[0] == given.partition("/")[0]
        and (one <= other or other <= one)
        and all(stem_of(f"x-{word}") != "x" for word in missed)
    )


def _commands(blocks: Sequence[Block]) -> Iterator[str]:
    """The quantized repos that the card's download commands name."""
    for block in blocks:
        if isinstance(block, Fence):
            for line in block.lines[:200]:
                yield from (match[1] for match in _COMMAND.finditer(line[:500]) if stem_of(match[1]) != match[1])


def _repo_links(blocks: Sequence[Block]) -> Iterator[tuple[str, str, bool]]:
    """Label and repo of each link to a repo's main branch, and whether it stands below "Repositories available"."""
    available = False
    budget = Budget()
    for block in blocks:
        if isinstance(block, Heading):
            available = "repositories available" in block.text[:200].casefold()
        lines = [" ".join(cells) for cells in block.rows(MAX_ROWS)] if isinstance(block, Table) else lines_of(block)
        lines = budget.spend(line for line in lines if "hugg" in line or "hf.co" in line or "](/" in line)
        for inline in map(read_inline, lines):
            for link in inline.links[:MAX_ROWS]:
                url = read_hub_url(link.url)
                if url is not None and url.repo_id and url.branch in (None, "main"):
                    before = inline.text[max(link.start - 60, 0) : link.start].strip(" *-:|")
                    yield link.label or before, url.repo_id, available
