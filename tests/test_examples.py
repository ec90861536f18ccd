"""The files of examples/, run against a Hub on loopback: shell for real, and of the rest what this machine can."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from quantpick.demo.hub import HubFile, HubRepo, Response
from tests.fakes.hub import Fault, FaultyHub

EXAMPLES: Final = Path(__file__).resolve().parents[1] / "examples"
BIN: Final = Path(sys.executable).parent
REPO: Final = "pub/Finch-0.1B-GPTQ"
BEST: Final = "gptq-4bit-32g"
SHAPE: Final = {
    "model_type": "llama",
    "hidden_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "intermediate_size": 1024,
    "vocab_size": 1000,
    "max_position_embeddings": 32768,
}


def branch(bits: int, group_size: int) -> list[HubFile]:
    section = {"quant_method": "gptq", "bits": bits, "group_size": group_size, "desc_act": False, "sym": True}
    config = HubFile.small("config.json", json.dumps(SHAPE | {"quantization_config": section}))
    return [config, HubFile.small("model.safetensors", f"{bits}-{group_size} " * 2**17)]


@dataclass
class Machine:
    """A machine with one GPU of 8 GiB that is told of by the environment, and a Hub on loopback."""

    hub: FaultyHub
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HF_ENDPOINT": self.hub.url,
            "HF_HOME": str(self.home / "hf"),
            "QUANTPICK_VRAM": "8GiB",
            "QUANTPICK_GPU_CAPABILITY": "8.9",
        }

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.home,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def holds(self, folder: Path) -> None:
        """End the test unless the branch is in the folder, whole."""
        checked = self.run("quantpick", "verify", str(folder), "--json")
        assert checked.returncode == 0, checked.stderr
        (report,) = json.loads(checked.stdout)["data"]["reports"]
        assert (report["branch"], report["sound"]) == (BEST, True)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    repo = HubRepo({"main": branch(4, 128), BEST: branch(4, 32)})
    with FaultyHub({REPO: repo}) as hub:
        yield Machine(hub, tmp_path)


def setup(machine: Machine, *argv: str) -> subprocess.CompletedProcess[str]:
    return machine.run(str(EXAMPLES / "setup.sh"), *argv)


def test_setup_script_fetches_the_branch_links_it_and_fetches_nothing_twice(machine: Machine) -> None:
    done = setup(machine, REPO, str(machine.home / "models"), "--loader", "exllamav2")
    assert done.returncode == 0, done.stderr
    current = machine.home / "models" / "current"
    assert done.stdout == f"{current}\n"
    machine.holds(current)
    asked = len(machine.hub.paths("model.safetensors"))
    again = setup(machine, REPO, str(machine.home / "models"), "--loader", "exllamav2")
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert len(machine.hub.paths("model.safetensors")) == asked


def test_setup_script_says_what_went_wrong_and_keeps_the_exit_code(machine: Machine) -> None:
    small = setup(machine, REPO, "models", "--vram", "0.3GiB")
    assert small.returncode == 3
    assert "no branch of pub/Finch-0.1B-GPTQ fits this machine" in small.stderr
    assert setup(machine, "pub/nothing", "models").returncode == 5
    assert not (machine.home / "models").exists()


def test_setup_script_goes_on_after_a_damaged_file(machine: Machine) -> None:
    machine.hub.faults.append(Fault(f"{'[0-9a-f]' * 40}/model.safetensors", Response(200, b"x" * 655_360), times=1))
    done = setup(machine, REPO, "models", "--loader", "exllamav2")
    assert done.returncode == 0, done.stderr
    machine.holds(machine.home / "models" / "current")


def test_image_runs_the_setup_script_and_compose_gives_it_arguments_that_work(machine: Machine) -> None:
    image = (EXAMPLES / "Dockerfile").read_text()
    copied = dict(re.findall(r"^COPY (\S+) (\S+)$", image, re.MULTILINE))
    (entry,) = json.loads(re.findall(r"^ENTRYPOINT (.+)$", image, re.MULTILINE)[0])
    assert copied == {"setup.sh": f"/usr/local/bin/{entry}"}
    services = yaml.safe_load((EXAMPLES / "compose.yaml").read_text())["services"]
    assert services["server"]["depends_on"] == {"model": {"condition": "service_completed_successfully"}}
    words = [word.replace("/models", str(machine.home / "models")) for word in services["model"]["command"]]
    shell = 'exec "$0" ' + " ".join(f'"{word}"' for word in words)  # ${...} means the same to compose and to a shell
    done = machine.run("bash", "-c", shell, str(EXAMPLES / "setup.sh"), REPO=REPO)
    assert done.returncode == 0, done.stderr
    served = services["server"]["command"][1].replace("/models", str(machine.home / "models"))
    machine.holds(Path(served))


def test_cloud_init_fetches_the_branch(machine: Machine) -> None:
    config = yaml.safe_load((EXAMPLES / "cloud-init.yaml").read_text())
    (file,) = config["write_files"]
    settings = machine.home / "quantpick.env"
    settings.write_text(file["content"].replace("OWNER/NAME", REPO).replace("/srv", str(machine.home)))
    command = config["runcmd"][-1].replace(file["path"], str(settings)).replace("/opt/quantpick/bin", str(BIN))
    done = machine.run("sh", "-c", command)
    assert done.returncode == 0, done.stderr
    machine.holds(machine.home / "models" / "model")


@pytest.mark.skipif(shutil.which("jq") is None, reason="no jq on this machine")
def test_action_fetches_the_branch_and_verifies_what_its_cache_holds(machine: Machine) -> None:
    job = yaml.safe_load((EXAMPLES / "github-action.yml").read_text())["jobs"]["model"]
    environment = job["env"] | {"REPO": REPO, "GITHUB_OUTPUT": str(machine.home / "output")}
    (pick,) = [step for step in job["steps"] if step.get("id") == "pick"]
    done = machine.run("bash", "-e", "-c", pick["run"], **environment)
    assert done.returncode == 0, done.stderr
    outputs = dict(line.split("=") for line in (machine.home / "output").read_text().splitlines())
    assert outputs["branch"] == BEST
    assert re.fullmatch(r"[0-9a-f]{40}", outputs["commit"])
    fetch = job["steps"][-1]
    assert fetch["env"] == {"BRANCH": "${{ steps.pick.outputs.branch }}"}
    for _ in ("fetched", "from the cache"):
        done = machine.run("bash", "-e", "-c", fetch["run"], **environment, BRANCH=outputs["branch"])
        assert done.returncode == 0, done.stderr
    machine.holds(machine.home / "model")
    assert len(machine.hub.paths("resolve/.*model.safetensors")) == len(set(machine.hub.paths("resolve/.*model.safe")))


def expanded(word: str, values: dict[str, Any]) -> str:
    """The few Jinja expressions of the playbook's command, as Ansible would fill them in."""
    values = values | {"repo | basename": str(values["repo"]).rpartition("/")[2]}
    return re.sub(r"\{\{ (.+?) \}\}", lambda name: str(values[name[1]]), word)


def test_command_of_the_playbook_fetches_the_branch(machine: Machine) -> None:
    (play,) = yaml.safe_load((EXAMPLES / "ansible.yml").read_text())
    values = play["vars"] | {"repo": REPO, "dir": str(machine.home)}
    task = play["tasks"][0]
    done = machine.run(*(expanded(word, values) for word in task["ansible.builtin.command"]["argv"]))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["data"]["bytes_fetched"] > 0
    machine.holds(machine.home / "Finch-0.1B-GPTQ")


@pytest.mark.skipif(shutil.which("ansible-playbook") is None, reason="no ansible-playbook on this machine")
def test_playbook_changes_a_host_once(machine: Machine) -> None:
    command = ["ansible-playbook", "-i", "localhost,", "-c", "local", str(EXAMPLES / "ansible.yml")]
    command += ["-e", f"repo={REPO}", "-e", f"dir={machine.home}", "-e", f"quantpick={BIN / 'quantpick'}"]
    command += ["-e", f"ansible_python_interpreter={sys.executable}"]
    first, second = machine.run(*command), machine.run(*command)
    assert "changed=1 " in first.stdout, first.stdout + first.stderr
    assert BEST in first.stdout
    assert "changed=0 " in second.stdout
    machine.holds(machine.home / "Finch-0.1B-GPTQ")
