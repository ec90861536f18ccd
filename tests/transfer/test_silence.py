"""Nothing is waited for in silence: what is, is said within two seconds, in lines as in JSON."""

import json
import time
from collections.abc import Callable
from importlib import resources

from jsonschema import Draft202012Validator

from tests.fakes.cdn import answers, outage, stalls
from tests.fakes.world import BRANCH, REPO, World

SCHEMA = json.loads(resources.files("quantpick.render").joinpath("schema.json").read_text(encoding="utf-8"))


def test_silent_server_is_said_and_ends_with_patience(world: Callable[..., World]) -> None:
    one = world(interference=stalls(1.0, 60.0))
    process = one.start("download", REPO, "--revision", BRANCH, "--retry-for", "4", "--progress", "lines")
    assert process.stderr is not None
    first = process.stderr.readline()
    said = time.monotonic()
    _, rest = process.communicate(timeout=60)
    assert first.startswith("the server is slow to answer, gives up in 0:0")
    assert process.returncode == 7
    assert time.monotonic() - said < 10
    assert "gave up after 4 s" in rest


def test_progress_in_json_says_retries_and_trouble_and_keeps_to_the_schema(world: Callable[..., World]) -> None:
    one = world(interference=outage(3, 4.0), bytes_per_s=20e6)
    done = one.run("download", REPO, "--revision", BRANCH, "--progress", "json", "--connections", "4", "-q")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stderr.splitlines()]
    for event in events:
        Draft202012Validator(SCHEMA).validate(event)
    assert events[-1]["bytes_present"] == events[-1]["bytes_total"]
    assert events[-1]["retries"] > 0
    troubles = [event["trouble"] for event in events if event["trouble"]]
    assert any("connection" in trouble["problem"] for trouble in troubles)
    assert {event["transport"] for event in events} >= {"range"}


def test_lost_connections_are_said_in_lines(world: Callable[..., World]) -> None:
    one = world(interference=answers(503, 1.0))
    done = one.run("download", REPO, "--revision", BRANCH, "--retry-for", "3", "--progress", "lines")
    assert done.returncode == 7
    assert "the server answers 503" in done.stderr
    assert "retry" in done.stderr
