"""Repos of the Hub as facts: how many requests they cost, what is cached, and how each refusal is answered."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, constants
from huggingface_hub.utils import close_session

from quantpick import list_branches, recommend
from quantpick.__main__ import main
from quantpick.core.gpu import Gpu
from quantpick.core.target import Target
from quantpick.demo.hub import HubFile, HubRepo, Request, Response
from quantpick.errors import AccessError, HubError, NotFoundError
from quantpick.hub import client
from quantpick.hub.survey import survey
from tests.fakes.hub import Fault, FaultyHub, weights
from tests.hub.conftest import Serve
from tests.hub.repos import config, exl2_branch, exl2_repo

REPO = "pub/Finch-7B-exl2"
SECRET = "hf_notasecretbutlookslikeone"
GPU = Gpu(index=0, name="GPU", total_bytes=12 * 2**30, free_bytes=12 * 2**30, compute_capability=8.9)


def test_loopback_hub_is_read_by_huggingface_hub_itself(tmp_path: Path) -> None:
    with FaultyHub({REPO: exl2_repo()}) as hub:
        api = HfApi(endpoint=hub.url, token=False)
        refs = {ref.name: ref.target_commit for ref in api.list_repo_refs(REPO).branches}
        assert list(refs) == ["main", "3.5bpw", "4.25bpw", "exp/6.0bpw"]
        tree = {file.path: file for file in api.list_repo_tree(REPO, revision="3.5bpw", recursive=True)}
        assert tree["output.safetensors"].lfs.size == 3_400_000_000  # type: ignore[union-attr]
        assert [file.path for file in api.get_paths_info(REPO, ["config.json"], revision="3.5bpw")] == ["config.json"]
        assert api.model_info(REPO, revision="exp/6.0bpw").sha == refs["exp/6.0bpw"]
        path = api.hf_hub_download(REPO, "config.json", revision="4.25bpw", cache_dir=tmp_path)
        close_session()
    assert json.loads(Path(path).read_text())["quantization_config"]["bits"] == 4.25


def test_cold_answer_costs_refs_card_and_a_tree_and_config_per_branch(serve: Serve) -> None:
    hub = serve({REPO: exl2_repo()})
    table = list_branches(REPO)
    assert [branch.name for branch in table.branches] == ["3.5bpw", "4.25bpw", "exp/6.0bpw"]
    assert len(hub.paths("/refs$")) == 1
    assert len(hub.paths("README.md")) == 1
    assert len(hub.paths("/tree/")) == 4
    assert len(hub.paths("config.json")) == 3, "main holds no weights, so its files are not worth a request"
    assert len(hub.requests) == 9


def test_second_answer_costs_one_request(serve: Serve) -> None:
    hub = serve({REPO: exl2_repo()})
    first = list_branches(REPO)
    hub.requests.clear()
    assert list_branches(REPO) == first
    assert hub.paths() == [f"/api/models/{REPO}/refs"]


def test_trees_of_all_branches_are_asked_for_at_once(serve: Serve) -> None:
    """The Hub answers no tree before all four were asked for: a reader in sequence would wait for ever."""
    hub = serve({REPO: exl2_repo()})
    gathered = threading.Barrier(4, timeout=20)

    def together(request: Request) -> None:
        gathered.wait()

    hub.faults.append(Fault("/tree/", together))
    assert len(list_branches(REPO).branches) == 3


def test_branches_at_one_commit_are_read_once(serve: Serve) -> None:
    files = exl2_branch(4, 4_000_000_000)
    repo = HubRepo({"main": files})
    hub = serve({REPO: repo})
    commit = repo.commit("main")
    refs = [{"name": name, "ref": f"refs/heads/{name}", "targetCommit": commit} for name in ("main", "4.0bpw")]
    hub.faults.append(Fault("/refs$", Response.of_json({"branches": refs, "converts": [], "tags": []})))
    assert {branch.commit for branch in list_branches(REPO).branches} == {commit}
    assert len(hub.paths("/tree/")) == 1


def test_offline_answers_from_the_cache_without_a_request(serve: Serve) -> None:
    hub = serve({REPO: exl2_repo()})
    online = list_branches(REPO)
    hub.requests.clear()
    assert list_branches(REPO, offline=True) == online
    assert hub.requests == []


def test_offline_names_what_is_not_cached(serve: Serve) -> None:
    serve({REPO: exl2_repo()})
    with pytest.raises(HubError, match=f"nothing of `{REPO}` is cached"):
        list_branches(REPO, offline=True)
    list_branches(f"{REPO}:4.25bpw")
    assert [branch.name for branch in list_branches(f"{REPO}:4.25bpw", offline=True).branches] == ["4.25bpw"]
    with pytest.raises(HubError, match=r"file list is not cached for `main`, `3\.5bpw`, `exp/6\.0bpw`"):
        list_branches(REPO, offline=True)


def test_damaged_cache_is_an_empty_one(serve: Serve) -> None:
    hub = serve({REPO: exl2_repo()})
    first = list_branches(REPO)
    for path in Path(constants.HF_HOME).rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-1] + b"\0")
    hub.requests.clear()
    assert list_branches(REPO) == first
    assert len(hub.requests) == 9


def test_cache_that_cannot_be_written_only_costs_time(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "hf").write_text("a file where the cache home should be")
    serve({REPO: exl2_repo()})
    assert len(list_branches(REPO).branches) == 3


def test_long_tree_is_read_page_by_page(serve: Serve) -> None:
    shards = [weights(f"model-{n:05}-of-00007.safetensors", 10**9) for n in range(1, 8)]
    hub = serve({REPO: HubRepo({"4.0bpw": [config(quant_method="exl2", bits=4), *shards]})})
    hub.page_files = 3
    assert list_branches(REPO).branches[0].size_bytes == 7 * 10**9
    assert len(hub.paths("/tree/")) == 3


def test_page_on_another_host_is_not_followed(serve: Serve) -> None:
    hub = serve({REPO: exl2_repo()})
    elsewhere = FaultyHub({})
    with elsewhere:
        page = Response.of_json([], {"Link": f'<{elsewhere.url}/more>; rel="next"'})
        hub.faults.append(Fault("/tree/", page))
        with pytest.raises(HubError, match="another host"):
            list_branches(REPO, token=SECRET)
        assert elsewhere.requests == []


def test_token_goes_to_the_hub_and_not_where_it_redirects_to(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    hub = serve({REPO: exl2_repo()})
    with FaultyHub({}) as cdn:
        cdn.faults.append(Fault("card", Response(200, b"# Finch\n")))
        hub.faults.append(Fault("README.md", Response(302, b"", {"Location": f"{cdn.url}/card"})))
        list_branches(REPO)
        assert {request.headers["authorization"] for request in hub.requests} == {f"Bearer {SECRET}"}
        assert [request.headers.get("authorization") for request in cdn.requests] == [None]


def test_renamed_repo_is_read_under_its_new_name(serve: Serve) -> None:
    hub = serve({REPO: exl2_repo(renamed_from=["old/Finch"])})
    table = list_branches("old/Finch")
    assert table.repo_id == REPO
    assert "old/Finch is called pub/Finch-7B-exl2 now" in [warning.message for warning in table.warnings]
    assert len(hub.paths("old/Finch")) == 1


@pytest.mark.parametrize(
    "text", [f"{REPO}:exp/6.0bpw", f"hf://{REPO}@exp%2F6.0bpw", "{url}/" + f"{REPO}/tree/exp/6.0bpw"]
)
def test_one_branch_is_read_alone(serve: Serve, text: str) -> None:
    hub = serve({REPO: exl2_repo()})
    table = list_branches(text.format(url=hub.url))
    assert [branch.name for branch in table.branches] == ["exp/6.0bpw"]
    assert [warning.code for warning in table.warnings] == ["unlisted-branch"]
    assert len(hub.paths("/tree/")) == 1


def test_folder_behind_the_branch_of_an_address_is_not_part_of_its_name(serve: Serve) -> None:
    hub = serve({REPO: exl2_repo()})
    assert survey(Target(REPO, "exp/6.0bpw/docs", may_name_a_folder=True)).branches[0].name == "exp/6.0bpw"
    with pytest.raises(NotFoundError):
        list_branches(f"{REPO}:exp/6.0bpw/docs")
    assert hub.paths("docs") == []


def test_commit_and_tag_are_revisions_too(serve: Serve) -> None:
    repo = exl2_repo()
    commit = repo.commit("3.5bpw")
    hub = serve({REPO: repo})
    assert list_branches(f"{REPO}:{commit}").branches[0].quant.bits == 3
    refs = {"branches": [{"name": "main", "ref": "refs/heads/main", "targetCommit": repo.commit("main")}]}
    refs |= {"tags": [{"name": "v1", "ref": "refs/tags/v1", "targetCommit": commit}], "converts": []}
    hub.faults.append(Fault("/refs$", Response.of_json(refs)))
    assert list_branches(f"{REPO}:v1").branches[0].commit == commit


def test_branch_that_is_not_there_names_the_nearest(serve: Serve) -> None:
    serve({REPO: exl2_repo()})
    with pytest.raises(NotFoundError, match=r"has no branch `4\.25`") as caught:
        list_branches(f"{REPO}:4.25")
    assert caught.value.hint is not None
    assert f"{REPO}:4.25bpw" in caught.value.hint


def test_gated_repo_names_the_page_where_the_licence_is_accepted(serve: Serve) -> None:
    hub = serve({REPO: exl2_repo(gated=True)})
    with pytest.raises(AccessError, match="gated") as caught:
        list_branches(REPO)
    assert f"{hub.url}/{REPO}" in str(caught.value.hint)


def test_private_repo_is_seen_with_its_token_only(serve: Serve) -> None:
    serve({REPO: exl2_repo(token=SECRET)})
    with pytest.raises(AccessError, match="private"):
        list_branches(REPO)
    with pytest.raises(NotFoundError):
        list_branches(REPO, token="hf_another")
    assert len(list_branches(REPO, token=SECRET).branches) == 3


def test_rate_limit_is_waited_for(serve: Serve) -> None:
    hub = serve({REPO: exl2_repo()})
    busy = Response(429, b"", {"Retry-After": "0"})
    policy = Response(429, b"", {"RateLimit": '"api";r=0;t=0', "RateLimit-Policy": '"fixed window";"api";q=500;w=300'})
    hub.faults += [Fault("/refs$", busy, times=1), Fault("/tree/", policy, times=2)]
    assert len(list_branches(REPO).branches) == 3
    assert len(hub.paths("/refs$")) == 2


def test_rate_limit_of_an_hour_is_not_waited_for(serve: Serve) -> None:
    hub = serve({REPO: exl2_repo()})
    hub.faults.append(Fault("/refs$", Response(429, b"", {"Retry-After": "3600"})))
    with pytest.raises(HubError, match="asks to wait 3600 s"):
        list_branches(REPO)
    assert len(hub.requests) == 1


def _cut_off(request: Request) -> Response:
    raise ConnectionResetError


@pytest.mark.parametrize("fault", [Response(503), Response(500), Response(504), _cut_off])
def test_fault_that_passes_is_retried(serve: Serve, fault: Response | Callable[[Request], Response]) -> None:
    hub = serve({REPO: exl2_repo()})
    hub.faults += [Fault("/refs$", fault, times=1), Fault("/tree/", fault, times=1)]
    assert len(list_branches(REPO).branches) == 3


def test_hub_that_stays_down_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ATTEMPTS", 2)
    hub = serve({REPO: exl2_repo()})
    hub.faults.append(Fault("/tree/", Response(503)))
    with pytest.raises(HubError, match="answers 503"):
        list_branches(REPO)


def test_hub_that_does_not_answer_in_time_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    monkeypatch.setattr(constants, "DEFAULT_REQUEST_TIMEOUT", 0.1)
    serve({REPO: exl2_repo()}, latency_s=0.5)
    with pytest.raises(HubError, match="does not answer in time"):
        list_branches(REPO)


def test_hub_that_is_not_there_is_said_so(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    with pytest.raises(HubError, match="cannot be reached"):
        list_branches(REPO)


NONSENSE: list[tuple[str, Response]] = [
    ("/refs$", Response(200, b"<html>Sign in</html>")),
    ("/refs$", Response(200, b"[1, 2]")),
    ("/refs$", Response.of_json({"branches": [{"name": "main"}]})),
    ("/refs$", Response.of_json({"branches": [{"name": "main", "ref": "x", "targetCommit": "../../etc"}]})),
    ("/tree/", Response(200, b'{"error": ')),
    ("/tree/", Response.of_json([{"type": "file", "path": 7}])),
    ("/tree/", Response.of_json([{"type": "file", "path": "a", "oid": "0", "size": -1}])),
    ("/tree/", Response.of_json("none")),
]


@pytest.mark.parametrize(("path", "answer"), NONSENSE)
def test_mirror_that_answers_nonsense_is_one_clear_line(serve: Serve, path: str, answer: Response) -> None:
    serve({REPO: exl2_repo()}).faults.append(Fault(path, answer))
    with pytest.raises(HubError, match="does not answer as the Hub does"):
        list_branches(REPO)


def test_config_with_a_missing_comma_leaves_name_and_card(serve: Serve) -> None:
    broken = HubFile.small("config.json", '{"model_type": "llama" "bits": 4}')
    card = HubFile.small("README.md", f"- [4.0 bpw](https://huggingface.co/{REPO}/tree/4.0bpw)\n")
    serve({REPO: HubRepo({"main": [card], "4.0bpw": [broken, weights("output.safetensors", 4 * 10**9)]})})
    table = list_branches(REPO)
    assert table.branches[0].quant.bits == 4
    assert ("unread-config", "4.0bpw") in [(warning.code, warning.branch) for warning in table.warnings]


def test_config_that_is_not_the_listed_one_leaves_its_branch_out(serve: Serve) -> None:
    repo = exl2_repo()
    hub = serve({REPO: repo})
    hub.faults.append(Fault(f"{repo.commit('3.5bpw')}/config.json", Response(200, b'{"model_type": "llama"}')))
    table = list_branches(REPO)
    assert [branch.name for branch in table.branches] == ["4.25bpw", "exp/6.0bpw"]
    assert [(warning.code, warning.branch) for warning in table.warnings][-1] == ("refused-branch", "3.5bpw")
    with pytest.raises(HubError, match=r"`config\.json` that is not the one in its file list"):
        list_branches(f"{REPO}:3.5bpw")


@pytest.mark.parametrize("wrong", [["4.0bpw"], ["4.5bpw"], ["4.0bpw", "4.1bpw"]])
def test_config_that_one_branch_sends_rightly_is_that_of_all_that_list_it(serve: Serve, wrong: list[str]) -> None:
    shared = config(quant_method="exl2", bits=4, head_bits=6)
    names = [f"4.{n}bpw" for n in range(6)]
    repo = HubRepo({name: [shared, weights("output.safetensors", 4 * 10**9 + n)] for n, name in enumerate(names)})
    hub = serve({REPO: repo})
    lie = Response(200, b'{"model_type": "llama"}')
    hub.faults += [Fault(f"{repo.commit(name)}/config.json", lie) for name in wrong]
    table = list_branches(REPO)
    assert [(branch.name, branch.quant.head_bits) for branch in table.branches] == [(name, 6) for name in names]
    assert "refused-branch" not in [warning.code for warning in table.warnings]


def test_config_that_all_are_sent_wrong_is_asked_for_a_few_times(serve: Serve) -> None:
    shared = config(quant_method="exl2", bits=4, head_bits=6)
    other = {"3.0bpw": exl2_branch(3, 3 * 10**9)}
    repo = HubRepo({**{f"4.{n}bpw": [shared, weights("x.safetensors", 10**9 + n)] for n in range(9)}, **other})
    hub = serve({REPO: repo})
    wrong = Response(200, b"<html>please log in</html>")
    hub.faults += [Fault(f"{repo.commit(name)}/config.json", wrong) for name in repo.branches if name != "3.0bpw"]
    table = list_branches(REPO)
    assert [branch.name for branch in table.branches] == ["3.0bpw"]
    assert len([one for one in table.warnings if one.code == "refused-branch"]) == 9
    assert len(hub.paths("config.json")) == 4


@pytest.mark.parametrize("sent", ["# Another card\n- [4.0 bpw](https://huggingface.co/a/b/tree/4.0bpw)\n", ""])
def test_card_that_is_not_the_listed_one_is_not_believed(serve: Serve, sent: str) -> None:
    hub = serve({REPO: exl2_repo()})
    hub.faults.append(Fault("/README.md", Response(200, sent.encode())))
    for _ in range(2):
        table = list_branches(REPO)
        assert [branch.name for branch in table.branches] == ["3.5bpw", "4.25bpw", "exp/6.0bpw"]
        codes = [warning.code for warning in table.warnings]
        assert ("refused-card" in codes, "missing-branch" in codes) == (True, False)
    hub.faults.clear()
    assert "refused-card" not in [warning.code for warning in list_branches(REPO).warnings], "kept nowhere"


def test_card_that_is_not_utf8_is_read(serve: Serve) -> None:
    card = HubFile.small("README.md", "# Modèle\n".encode("latin-1"))
    serve({REPO: HubRepo({"main": [card], "4.0bpw": exl2_branch(4, 4 * 10**9)})})
    assert len(list_branches(REPO).branches) == 1


def test_recommended_branch_of_a_repo_is_judged_by_its_files(serve: Serve) -> None:
    serve({REPO: exl2_repo()})
    answer = recommend(REPO, gpus=[GPU], loader="exllamav2")
    assert answer.recommended is not None
    assert answer.recommended.branch.name == "exp/6.0bpw"
    assert answer.recommended.branch.size_bytes == 5_600_000_000
    assert answer.recommended.branch.sources["bits"] == "config"


def run(hub: FaultyHub, home: Path, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "quantpick", *argv],
        env={**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        ([], 0),
        ([Fault("/resolve/", Response.error(403, "GatedRepo", "restricted"))], 5),
        ([Fault("/refs$", Response.error(401, "RepoNotFound", "no"))], 5),
        ([Fault("/refs$", Response.error(404, "RepoNotFound", "no"))], 4),
        ([Fault("/tree/", Response(429, b"", {"Retry-After": "900"}))], 6),
        ([Fault("/tree/", Response(200, b"?"))], 6),
    ],
)
def test_each_answer_of_the_hub_has_its_exit_code(serve: Serve, tmp_path: Path, faults: list[Fault], code: int) -> None:
    hub = serve({REPO: exl2_repo()})
    hub.faults += faults
    done = run(hub, tmp_path, "list", REPO, HF_TOKEN=SECRET, QUANTPICK_DEBUG="1")
    assert done.returncode == code, done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert (done.stdout == "") == (code != 0)


def test_hf_hub_offline_makes_no_request(serve: Serve, tmp_path: Path) -> None:
    hub = serve({REPO: exl2_repo()})
    online = run(hub, tmp_path, "list", REPO, "--json")
    hub.requests.clear()
    offline = run(hub, tmp_path, "list", REPO, "--json", HF_HUB_OFFLINE="1")
    assert (offline.returncode, offline.stdout) == (0, online.stdout)
    assert run(hub, tmp_path / "empty", "list", REPO, HF_HUB_OFFLINE="1").returncode == 6
    assert hub.requests == []


def test_proxy_of_the_environment_is_used(serve: Serve, tmp_path: Path) -> None:
    """The Hub's name leads nowhere: only the proxy can answer."""
    hub = serve({REPO: exl2_repo()})
    with FaultyHub({}) as proxy:
        proxy.faults.append(Fault("", hub.answer))
        environment = {"HF_ENDPOINT": "http://hub.invalid", "HTTP_PROXY": proxy.url, "NO_PROXY": ""}
        done = run(hub, tmp_path, "list", REPO, "-q", **environment)
        assert done.stdout.split() == ["3.5bpw", "4.25bpw", "exp/6.0bpw"], done.stderr
        assert {request.headers["host"] for request in proxy.requests} == {"hub.invalid"}


def test_exit_3_says_which_other_repos_hold_the_model(serve: Serve, tmp_path: Path) -> None:
    card = HubFile.small(
        "README.md",
        "# Finch 7B - GPTQ\n## Repositories available\n"
        "* [AWQ](https://huggingface.co/pub/Finch-7B-AWQ)\n* [GGUF](https://huggingface.co/pub/Finch-7B-GGUF)\n",
    )
    gptq = config(quant_method="gptq", bits=4, group_size=128, desc_act=False)
    hub = serve({"pub/Finch-7B-GPTQ": HubRepo({"main": [card, gptq, weights("model.safetensors", 4_100_000_000)]})})
    done = run(hub, tmp_path, "recommend", "pub/Finch-7B-GPTQ", "--vram", "3GiB", "--loader", "exllamav2")
    assert done.returncode == 3
    assert "pub/Finch-7B-AWQ" in done.stdout
    assert "pub/Finch-7B-GGUF" in done.stdout


def test_repo_with_nothing_quantized_says_what_it_holds(serve: Serve, tmp_path: Path, capsys: Any) -> None:
    serve({REPO: HubRepo({"main": [config(), weights("model.safetensors", 14_500_000_000)]})})
    assert main(["list", REPO]) == 4
    assert "16-bit" in capsys.readouterr().err


BAD_BRANCHES: dict[str, dict[str, Any]] = {
    "out of the folder": {"name": "../../../../x", "ref": "refs/heads/../../../../x"},
    "absolute": {"name": "/abs"},
    "null": {"name": None},
    "a number": {"name": 7},
    "a list": {"name": ["main"]},
    "without a name": {},
    "of a commit that is none": {"name": "x", "targetCommit": "../../etc"},
    "of a commit of another kind": {"name": "x", "targetCommit": 7},
    "half a character": {"name": "\ud800"},
    "whose ref leads out": {"name": "x", "ref": "refs/convert/../../x"},
}


@pytest.mark.parametrize("kind", BAD_BRANCHES)
def test_branch_that_cannot_be_is_left_out_and_the_others_stay(serve: Serve, kind: str) -> None:
    repo = exl2_repo()
    hub = serve({REPO: repo})
    commit = repo.commit("4.25bpw")
    good = {"name": "4.25bpw", "ref": "refs/heads/4.25bpw", "targetCommit": commit}
    hub.faults.append(
        Fault("/refs$", Response.of_json({"branches": [{"targetCommit": commit} | BAD_BRANCHES[kind], good]}))
    )
    table = list_branches(REPO)
    assert [branch.name for branch in table.branches] == ["4.25bpw"]
    assert "refused-branch" in [warning.code for warning in table.warnings]
    assert len(table.skipped) == 1


def test_entry_of_the_refs_that_is_no_object_is_left_out(serve: Serve) -> None:
    hub = serve({REPO: exl2_repo()})
    good = {"name": "4.25bpw", "targetCommit": exl2_repo().commit("4.25bpw")}
    answer = {"branches": [7, None, [], good], "tags": 7, "converts": None, "pullRequests": {"a": 1}}
    hub.faults.append(Fault("/refs$", Response.of_json(answer)))
    assert [branch.name for branch in list_branches(REPO).branches] == ["4.25bpw"]


SHA1, SHA256 = "0" * 40, "0" * 64
BAD_FILES: dict[str, list[Any]] = {
    "hash that leads out": [{"path": "x", "oid": SHA1, "size": 1, "lfs": {"oid": "/../../x", "size": 1}}],
    "hash of a number": [{"path": "x", "oid": SHA1, "size": 1, "lfs": {"oid": 7, "size": 1}}],
    "large file without a hash": [{"path": "x", "oid": SHA1, "size": 1, "lfs": {"size": 1}}],
    "large file that is a word": [{"path": "x", "oid": SHA1, "size": 1, "lfs": "yes"}],
    "blob hash that leads out": [{"path": "x", "oid": "../x", "size": 1}],
    "size below zero": [{"path": "x", "oid": SHA1, "size": -1}],
    "size beyond all disks": [{"path": "x", "oid": SHA1, "size": 10**30}],
    "half a byte": [{"path": "x", "oid": SHA1, "size": 0.5}],
    "size of truth": [{"path": "x", "oid": SHA1, "size": True}],
    "no number": [{"path": "x", "oid": SHA1, "size": float("nan")}],
    "the same twice": [{"path": "x", "oid": SHA1, "size": 1}] * 2,
    "file as a folder": [{"path": path, "oid": SHA1, "size": 1} for path in ("x/y", "x")],
    "out of the folder": [{"path": "../x", "oid": SHA1, "size": 1}],
    "absolute": [{"path": "/x", "oid": SHA1, "size": 1}],
    "into git's own": [{"path": ".git/hooks/post-checkout", "oid": SHA1, "size": 1}],
    "kind of its own": [{"type": "device", "path": "x", "oid": SHA1, "size": 1}],
    "no object": [7],
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_branch_whose_files_cannot_be_is_left_out_and_the_others_stay(serve: Serve, kind: str) -> None:
    repo = exl2_repo()
    hub = serve({REPO: repo})
    entries = [{"type": "file"} | entry if isinstance(entry, dict) else entry for entry in BAD_FILES[kind]]
    hub.faults.append(Fault(repo.commit("3.5bpw"), Response.of_json(entries)))
    table = list_branches(REPO)
    assert [branch.name for branch in table.branches] == ["4.25bpw", "exp/6.0bpw"]
    assert [(warning.code, warning.branch) for warning in table.warnings][-1] == ("refused-branch", "3.5bpw")
    with pytest.raises(HubError, match=r"about `pub/Finch-7B-exl2`: branch `3\.5bpw` "):
        list_branches(f"{REPO}:3.5bpw")


def test_page_that_follows_itself_ends(serve: Serve) -> None:
    repo = exl2_repo()
    hub = serve({REPO: repo})
    entry = {"type": "file", "path": "x", "oid": SHA1, "size": 1}
    address = f"{hub.url}/api/models/{REPO}/tree/{repo.commit('3.5bpw')}"
    hub.faults.append(Fault(repo.commit("3.5bpw"), Response.of_json([entry], {"Link": f'<{address}>; rel="next"'})))
    assert len(list_branches(REPO).branches) == 2


def test_new_name_of_a_repo_is_believed_of_the_hub_alone(serve: Serve) -> None:
    hub = serve({REPO: exl2_repo()})
    refs = hub.answer(Request("GET", f"/api/models/{REPO}/refs", {}, {}))
    with FaultyHub({}) as elsewhere:
        elsewhere.faults.append(Fault("", refs))
        address = f"{elsewhere.url}/api/models/evil/Finch/refs"
        hub.faults.append(Fault(f"{REPO}/refs$", Response(302, b"", {"Location": address})))
        assert list_branches(REPO).repo_id == REPO


POISON: list[bytes] = [
    b"",
    b"\0" * 100,
    b"[" * 100_000,
    b'{"repo_id": "../../x", "answer": {"branches": []}}',
    b'{"repo_id": 7, "answer": 7}',
    b'{"repo_id": "pub/Finch-7B-exl2", "answer": {"branches": [{"name": "../x", "targetCommit": "x"}]}}',
    b'[["../x", -1, "y", "z"]]',
    b'[["a", 1, "b"], 7]',
    b"[[[], {}, null, NaN]]",
    b'"\xff\xfe"',
]


@pytest.mark.parametrize("poison", POISON, ids=repr)
def test_poisoned_cache_is_an_empty_one(serve: Serve, poison: bytes) -> None:
    serve({REPO: exl2_repo()})
    first = list_branches(REPO)
    kept = [path for path in Path(constants.HF_HOME).rglob("*") if path.is_file()]
    for path in kept:
        path.write_bytes(poison)
    with pytest.raises((HubError, NotFoundError)):
        list_branches(REPO, offline=True)
    assert list_branches(REPO) == first
    assert [path for path in Path(constants.HF_HOME).rglob("*") if path.is_file()] == kept, "something was left behind"


def test_pipe_or_link_in_the_cache_is_neither_waited_for_nor_followed(serve: Serve, tmp_path: Path) -> None:
    hub = serve({REPO: exl2_repo()})
    first = list_branches(REPO)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for at, path in enumerate([path for path in Path(constants.HF_HOME).rglob("*") if path.is_file()]):
        path.unlink()
        if at % 2:
            os.mkfifo(path)
        else:
            path.symlink_to(victim if at % 4 else "/dev/zero")
    hub.requests.clear()
    assert list_branches(REPO) == first
    assert len(hub.requests) == 9
    assert victim.read_text() == "precious"


# --- as the Hub answers today -----------------------------------------------------------------------------------------


def test_small_files_behind_the_hubs_own_redirect_are_read(serve: Serve) -> None:
    hub = serve({REPO: exl2_repo(), "pub/Other-exl2": exl2_repo()})
    plain = list_branches(REPO)
    hub.redirects_small = True
    assert [one.quant for one in list_branches("pub/Other-exl2").branches] == [one.quant for one in plain.branches]
    assert hub.paths("/api/resolve-cache/models/pub/Other-exl2/") != []


def test_repo_in_another_case_is_read_under_its_own_name(serve: Serve) -> None:
    serve({REPO: exl2_repo()})
    table = list_branches(REPO.lower())
    assert (table.repo_id, len(table.branches)) == (REPO, 3)


def test_token_that_is_not_accepted_is_blamed_and_not_the_repo(serve: Serve) -> None:
    hub = serve({REPO: exl2_repo()})
    hub.revoked.add(SECRET)
    with pytest.raises(AccessError, match="does not accept the token") as caught:
        list_branches(REPO, token=SECRET)
    assert "unset HF_TOKEN" in str(caught.value.hint)
    assert len(list_branches(REPO).branches) == 3


def test_submodule_in_a_tree_is_no_file(serve: Serve) -> None:
    hub = serve({REPO: exl2_repo()})
    real = hub.answer(Request("GET", f"/api/models/{REPO}/tree/3.5bpw", {}, {}))
    page = [*json.loads(real.body), {"type": "unknown", "oid": "0" * 40, "path": "third_party"}]
    hub.faults.append(Fault("/tree/", Response.of_json(page)))
    assert len(list_branches(f"{REPO}:3.5bpw").branches) == 1
