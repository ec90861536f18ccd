"""What one repo holds, read step by step: from the cache first, then from the Hub, many requests at once."""

import hashlib
import queue
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final

from quantpick.core.branches.worth import MODEL_CONFIG, QUANT_CONFIGS, configs_worth_reading, headers_worth_reading
from quantpick.core.gguf.header import BadHeader, read_header
from quantpick.core.repo import BranchFiles, Refused, RepoFacts, RepoFile
from quantpick.core.target import Target
from quantpick.errors import HubError
from quantpick.hub.cache import Cache, blob_sha1
from quantpick.hub.client import MAX_TEXT_BYTES, Client, Refs, nonsense
from quantpick.threads import start_daemons

_CARD: Final = "README.md"
_CONNECTIONS: Final = 16
"""Requests at once: half of what a browser opens to two hosts, and far below the Hub's limits."""
_MAX_SHOWN: Final = 5
_TRIES: Final = 3
"""Chosen: of so many branches a file that they share is asked for, before it is taken for wrong in all of them."""

Job = Callable[[], None]
_worth_reading = partial(configs_worth_reading, most_bytes=MAX_TEXT_BYTES)


class Reader:
    """Gathers what one repo holds, from the cache first. What is neither cached nor to be fetched offline stays out."""

    def __init__(self, repo_id: str, client: Client | None, cache: Cache) -> None:
        self._repo_id = repo_id
        self._client = client
        self._cache = cache
        self._trees: dict[str, tuple[RepoFile, ...]] = {}
        self.refused: dict[str, str] = {}
        self._texts: dict[str, str] = {}
        self._false: dict[str, str] = {}
        """The commits with a small file that the Hub sends otherwise than it lists it, and that file's path."""
        self._heads: dict[str, bytes] = {}
        self._card: tuple[str, bytes] | None = None
        """The commit that the card is of, and what was sent for it."""

    def read(self, target: Target, refs: Refs, wanted: Mapping[str, str], *, only_files: bool = False) -> RepoFacts:
        """Everything of the wanted branches, and the card of the main one; or only what files the branches have."""
        commits = list(dict.fromkeys(wanted.values()))
        at_once(self.lists(None if only_files else refs.branches.get("main"), commits))
        unread, wanted = self._sorted_out(wanted)
        self._require("file list", [name for name, commit in wanted.items() if commit not in self._trees])

        if only_files:
            return self.facts(target, refs, wanted, unread)
        at_once(self.contents(commits))
        more, wanted = self._sorted_out(wanted)
        unread |= more
        dumb = {commit for commit in wanted.values() if any(self._unread(commit))}
        self._require("config", [name for name, commit in wanted.items() if commit in dumb])
        return self.facts(target, refs, wanted, unread)

    def _sorted_out(self, wanted: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """The branches about which the Hub says something impossible, each with the reason, and the others.

        Raises:
            HubError: there are no others.
        """
        unread = {name: reason for name, commit in wanted.items() if (reason := self._why_refused(commit))}
        if unread and len(unread) == len(wanted):
            raise nonsense(self._repo_id, "branch `{}` {}".format(*next(iter(unread.items()))))
        return unread, {name: commit for name, commit in wanted.items() if name not in unread}

    def _why_refused(self, commit: str) -> str | None:
        false = self._false.get(commit)
        return self.refused.get(commit) or (
            None if false is None else f"is sent with a `{false}` that is not the one in its file list"
        )

    def lists(self, main: str | None, commits: Iterable[str]) -> list[Job]:
        """What reads the card of the main branch and the file lists of some commits."""
        jobs: list[Job] = [partial(self._read_card, main)]
        jobs += [partial(self._read_tree, commit) for commit in commits]
        return jobs

    def contents(self, commits: Iterable[str]) -> list[Job]:
        """What reads the configs and headers in the file lists that were read."""
        trees = {commit: self._trees[commit] for commit in commits if commit in self._trees}
        small: dict[str, list[tuple[str, RepoFile]]] = {}
        for commit, files in trees.items():
            for file in _worth_reading(files):
                small.setdefault(file.blob_sha1, []).append((commit, file))
        large = {
            file.identity: (commit, file) for commit, files in trees.items() for file in headers_worth_reading(files)
        }
        jobs: list[Job] = [partial(self._read_file, ones) for ones in small.values()]
        jobs += [partial(self._read_head, commit, file) for commit, file in large.values()]
        return jobs

    def unseen(self, commits: Iterable[str]) -> list[Job]:
        """What reads the file lists of some commits and, before it is known what is in them, their usual configs."""
        jobs: list[Job] = []
        for commit in commits:
            files = self._cache.tree(commit)
            if files is not None:
                self._trees[commit] = files
                jobs += self.contents([commit])
            else:
                jobs.append(partial(self._read_tree, commit))
                jobs += [partial(self._read_unlisted, commit, path) for path in (MODEL_CONFIG, QUANT_CONFIGS[0])]
        return jobs

    def facts(
        self, target: Target, refs: Refs, wanted: Mapping[str, str], unread: Mapping[str, str] = MappingProxyType({})
    ) -> RepoFacts:
        """The facts read about the wanted branches; those with unknown files are left out."""
        card, is_refused = self._sound_card()
        return RepoFacts(
            repo_id=self._repo_id,
            asked_for=target.repo_id,
            branches=tuple(self._branch(name, commit) for name, commit in wanted.items() if commit in self._trees),
            names=(*refs.branches, *wanted),
            conversions=() if target.revision else tuple(refs.others),
            card=card,
            refused_card=is_refused,
            unread={} if target.revision else {**refs.refused, **unread},
        )

    def _branch(self, name: str, commit: str) -> BranchFiles:
        files = self._trees[commit]
        return BranchFiles(
            name=name,
            commit=commit,
            files=files,
            configs={
                file.path: self._texts[file.blob_sha1]
                for file in _worth_reading(files)
                if file.blob_sha1 in self._texts
            },
            heads={
                file.path: self._heads[file.identity]
                for file in headers_worth_reading(files)
                if file.identity in self._heads
            },
        )

    def _unread(self, commit: str) -> Iterator[RepoFile]:
        """The small files of a commit that could not be read."""
        return (file for file in _worth_reading(self._trees[commit]) if file.blob_sha1 not in self._texts)

    def _read_unlisted(self, commit: str, path: str) -> None:
        """A file that may be there; its own hash tells later which it was."""
        content = None if self._client is None else self._client.text(self._repo_id, commit, path)
        if content is not None:
            self._cache.keep_file(content)
            self._texts[blob_sha1(content)] = _decoded(content)

    def _read_tree(self, commit: str) -> None:
        files = self._cache.tree(commit)
        if files is None and self._client is not None:
            answer = self._client.tree(self._repo_id, commit)
            if isinstance(answer, Refused):
                self.refused[commit] = answer.reason
                return
            files = answer
            self._cache.keep_tree(commit, files)
        if files is not None:
            self._trees[commit] = files

    def _read_card(self, commit: str | None) -> None:
        """The card of a commit whose tree need not be known yet."""
        if commit is None:
            return
        files = self._cache.tree(commit)
        listed = next((file for file in files or () if file.path == _CARD), None)
        if files is None or listed is not None:
            kept = None if listed is None else self._cache.file(listed.blob_sha1)
            content = self._fetched(commit, _CARD) if kept is None else kept
            self._card = None if content is None else (commit, content)

    def _sound_card(self) -> tuple[str | None, bool]:
        """The card, and whether one was sent that is not the one in its commit's file list, where that is known."""
        if self._card is None:
            return None, False
        commit, content = self._card
        files = self._trees.get(commit) or self._cache.tree(commit)
        if files is not None and not any(file.path == _CARD and _is(content, file) for file in files):
            return None, True
        return _decoded(content), False

    def _read_file(self, ones: Sequence[tuple[str, RepoFile]]) -> None:
        """A small file that several commits may have: what one sends with the right hash is that of all.

        Args:
            ones: the commits, and the file as each lists it.
        """
        kept = self._cache.file(ones[0][1].blob_sha1)
        for commit, file in ones[:_TRIES]:
            content = self._fetched(commit, file.path) if kept is None else kept
            if content is None and self._client is None:
                return
            if content is None or _is(content, file):
                self._texts[file.blob_sha1] = _decoded(content or b"")
                return
        self._false.update({commit: file.path for commit, file in ones})

    def _read_head(self, commit: str, file: RepoFile) -> None:
        """The first bytes of a large file. Without them it is listed all the same, so offline they may be missing."""
        head = self._cache.head(file.identity)
        if self._client is not None and (head is None or isinstance(read_header(head, file.size_bytes), BadHeader)):
            head = self._client.beginning(self._repo_id, commit, file.path)
            if head is not None and not isinstance(read_header(head, file.size_bytes), BadHeader):
                self._cache.keep_head(file.identity, head)
        if head is not None:
            self._heads[file.identity] = head

    def _fetched(self, commit: str, path: str) -> bytes | None:
        """A small file from the Hub; None offline, or if there is none."""
        content = None if self._client is None else self._client.text(self._repo_id, commit, path)
        if content is not None:
            self._cache.keep_file(content)
        return content

    def _require(self, what: str, branches: Sequence[str]) -> None:
        """Raise if facts about branches are missing, which only happens offline."""
        if branches:
            named = ", ".join(f"`{name}`" for name in branches[:_MAX_SHOWN])
            more = f" and {len(branches) - _MAX_SHOWN} more" if len(branches) > _MAX_SHOWN else ""
            raise HubError(
                f"offline, and of `{self._repo_id}` the {what} is not cached for {named}{more}",
                hint=f"once online: quantpick list {self._repo_id}",
            )


def at_once(jobs: Sequence[Job]) -> None:
    """Run the jobs on a few threads; the first error of any is raised."""
    errors: list[Exception] = []
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)

    def work() -> None:
        while not errors:
            try:
                waiting.get_nowait()()
            except queue.Empty:
                return
            except Exception as error:
                errors.append(error)

    for thread in start_daemons([work] * min(_CONNECTIONS, len(jobs)), name="survey"):
        thread.join()
    if errors:
        raise errors[0]


def _is(content: bytes, file: RepoFile) -> bool:
    """Whether a content is that of a file."""
    if file.sha256 is not None:
        return hashlib.sha256(content).hexdigest() == file.sha256
    return blob_sha1(content) == file.blob_sha1


def _decoded(content: bytes) -> str:
    return content.decode("utf-8-sig", "replace")
