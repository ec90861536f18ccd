"""Branches in lists and lines: links to branches, and branch names without links."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from quantpick.core.branch_name import UnknownName, read_branch_name
from quantpick.core.card.columns import Head, read_heads
from quantpick.core.card.figures import SIZE, bits_in, explicit_bits_in, head_bits_in, size_bytes_of
from quantpick.core.card.inline import read_inline
from quantpick.core.card.limits import MAX_ROWS, Budget
from quantpick.core.card.markdown import Block, Fence, Table, lines_of, split_item
from quantpick.core.card.quality import quality_behind
from quantpick.core.card.rows import CardRow, Found
from quantpick.core.card.tables import nearest_methods, only_method_in, read_row
from quantpick.core.hub_url import is_git_ref, read_hub_url
from quantpick.core.methods import METHODS, Method, names_method
from quantpick.core.quant import QuantFacts


def linked_lines(blocks: Sequence[Block]) -> Iterator[Found]:
    """Links to branches: in tables without a branch header, in lists, lines and headings."""
    budget = Budget()
    for number, (block, near) in enumerate(zip(blocks, nearest_methods(blocks), strict=True)):
        if isinstance(block, Table):
            rows = [block.header, *block.rows(MAX_ROWS)]
            lines = budget.spend(line for cells in rows if "tree/" in (line := "\n".join(cells)))
            heads = read_heads(block.header) if lines else []
            found = [one for line in lines for one in _read_linked_row(line, heads)]
        else:
            lines = budget.spend(line for line in lines_of(block) if "tree/" in line)
            found = [one for line in lines for one in _read_linked_line(line)]
        for one in found:
            one.group, one.near = number, one.near or near
            yield one


def _read_linked_row(line: str, heads: Sequence[Head]) -> Iterator[Found]:
    """A row about the branch it links to, or each link of its own where a row links to several."""
    urls = [read_hub_url(link.url) for link in read_inline(line).links[:MAX_ROWS]] if line.count("tree/") > 1 else []
    if len({url for url in urls if url is not None and url.branch is not None}) > 1:
        yield from _read_linked_line(line.replace("\n", " "))
    elif (one := read_row(tuple(line.split("\n")), heads, "", linked=True)) and one.row.facts.bits:
        yield one


def bare_names(blocks: Sequence[Block]) -> Iterator[Found]:
    """Branch names without links: code spans and bare names that begin a line or item, or that fill a code fence."""
    told = any(
        "branch" in line or "Branch" in line or "revision" in line for block in blocks for line in lines_of(block)
    )
    budget = Budget()
    for block, near in zip(blocks, nearest_methods(blocks), strict=True):
        if isinstance(block, Fence):
            names = [name for name in block.lines[:MAX_ROWS] if name]
            rows = [CardRow(branch=name, facts=facts) for name in names if (facts := _name_facts(name))]
            yield from (Found(row=row, near=near) for row in rows if len(rows) == len(names))
        else:
            lines = budget.spend(line for line in lines_of(block) if any(mark in line for mark in _NAME_MARKS))
            for one in filter(None, (_read_named_line(line, told) for line in lines)):
                one.near = near
                yield one


def commanded(blocks: Sequence[Block]) -> Iterator[Found]:
    """Branches that download commands name, where they name two or more: one alone is an example."""
    lines = Budget().spend(line for block in blocks if isinstance(block, Fence) for line in block.lines)
    found = [one for line in lines for one in _read_command(line[:500])]
    if len({one.row.branch for one in found}) > 1:
        yield from found


_COMMANDED: Final = re.compile(
    r"--(?:revision|branch)[ =]+[\"']?([\w.+/-]{1,100})|\bgit clone\b.{0,80} -b ([\w.+/-]{1,100})"
)
_COMMANDS_REPO: Final = re.compile(r"(?:\bdownload |huggingface\.co/)([\w-][\w.-]{0,95}/[\w.-]{1,96})")


def _read_command(line: str) -> Iterator[Found]:
    repo = _COMMANDS_REPO.search(line)
    for match in _COMMANDED.finditer(line) if repo else ():
        branch = match[1] or match[2]
        facts = _name_facts(branch)
        if repo and facts is not None and facts.bits is not None:
            yield Found(row=CardRow(branch=branch, facts=facts), repo=repo[1])


_VERSION: Final = re.compile(r"\d+[._]\d+|")
_NAME_MARKS: Final = ("`", "bpw", "_H", "_h", "bit-", "main")
_EXPLICIT_NAME: Final = re.compile(r"bpw|[-_]h\d|b\dh|\d_\d", re.IGNORECASE)
_BRANCH_SAID: Final = re.compile(r"(?:branch|revision|分支)(?: name)? ?[:：]?[*_]{0,2} ?(?=[*_]{0,2}`)", re.IGNORECASE)
_NAME_LINE: Final = re.compile(r"[*_]{0,2}(?:`([^`\s]{1,200})`|([\w.+-]{1,60})(?=[*_]{0,2}\s*(?:[:(–—]|-\s|--|$)))")


def _read_linked_line(line: str) -> Iterator[Found]:
    """The branches a line links to, with the text after each link; a link without bits is no quantization."""
    inline = read_inline(split_item(line)[1])
    urls = [(read_hub_url(link.url), link) for link in inline.links[:MAX_ROWS]]
    links = [(url, link) for url, link in urls if url is not None and url.branch is not None]
    before = 0
    near: Method | None = None
    for index, (url, link) in enumerate(links):
        end = links[index + 1][1].start if index + 1 < len(links) else len(inline.text)
        behind = inline.text[link.end : min(end, link.end + 200)]
        ahead = inline.text[max(before, link.start - 100) : link.start]
        label = link.label or ahead
        near = only_method_in(ahead) or near
        before = link.end
        facts = _link_facts(url.branch or "", label, behind)
        if facts.bits is not None:
            size = _size_behind(label, behind)
            quality = quality_behind(behind)
            row = CardRow(branch=url.branch or "", facts=facts, size_bytes=size, quality=quality)
            unsure = (facts.method and METHODS[facts.method].bits) or (
                _VERSION.fullmatch(label) and _VERSION.fullmatch(row.branch)
            )
            labelled = bits_in(label) is not None
            yield Found(row=row, repo=url.repo_id, labelled=labelled, unsure=bool(unsure), near=near)


def _link_facts(branch: str, label: str, behind: str) -> QuantFacts:
    """The facts in a link's label, else in the branch's name, else in the words after the link."""
    named = read_branch_name(branch)
    facts = QuantFacts() if isinstance(named, UnknownName) else named
    bits, head_bits = bits_in(label), head_bits_in(label)
    if bits is None and facts.bits is None and "measurement" not in behind:
        bits = explicit_bits_in(behind)
    return replace(
        facts,
        bits=facts.bits if bits is None else bits,
        head_bits=head_bits or facts.head_bits or head_bits_in(behind),
    )


def _size_behind(label: str, behind: str) -> int | None:
    """The size directly behind a name, in its label, or between commas: "86.376 GiB", "(12 GB)". Not "fits 24 GB"."""
    direct = re.match(r"[\s\-–—:(|,~≈*]*(?=\d)", behind)
    match = SIZE.match(behind, direct.end()) if direct else SIZE.search(label)
    if match is None or not match[2]:
        parts = re.split(r"[,;|()–—]|\s-\s", behind)[:20]
        match = next((one for part in parts if (one := SIZE.fullmatch(part.strip(" ~≈*")))), None)
    return size_bytes_of(match, None) if match and match[2] else None


def _read_named_line(line: str, told: bool) -> Found | None:
    """The branch a line or item begins with. A bare name counts if the card mentions branches, or by its details."""
    item, raw = split_item(line)
    raw = read_inline(raw).plain if raw.startswith("<") else raw
    raw = _BRANCH_SAID.sub("", raw)
    match = _NAME_LINE.match(raw)
    if match is None:
        return None
    name = match[1] or match[2]
    rest = raw[match.end() : match.end() + 200]
    facts = _name_facts(name)
    if facts is None and (match[1] or told) and item and name == "main" and "measurement" not in rest:
        facts = QuantFacts(bits=explicit_bits_in(rest), head_bits=head_bits_in(rest))
    if facts is None or facts.bits is None or _shows_other_repo(raw):
        return None
    if match[2] and not told and facts.head_bits is None and facts.group_size is None:
        return None
    if match[1] and not item and not re.match(r"[*_]{0,2}\s*(?:[:(–—,|]|-|$)", rest):
        return None
    facts = replace(facts, head_bits=facts.head_bits or head_bits_in(rest))
    return Found(row=CardRow(branch=name, facts=facts, size_bytes=_size_behind("", rest)))


def _shows_other_repo(raw: str) -> bool:
    urls = [read_hub_url(link.url) for link in read_inline(raw).links[:MAX_ROWS]] if "hugg" in raw else []
    return any(url is not None and url.branch is None for url in urls)


def _is_explicit(name: str) -> bool:
    return bool(_EXPLICIT_NAME.search(name)) or names_method(name)


def _name_facts(name: str) -> QuantFacts | None:
    """The facts in a name that can only be a branch's: not ``8bit``, ``fp8``, ``Q4_K_M``."""
    facts = read_branch_name(name) if _is_explicit(name) and is_git_ref(name) else None
    if not isinstance(facts, QuantFacts) or facts.method is None:
        return facts if isinstance(facts, QuantFacts) else None
    method = METHODS[facts.method]
    return facts if method.in_branches and method.bits is None else None
