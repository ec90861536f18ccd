"""The machine through the real pynvml, over a library compiled here that plays scripted machines: see nvml.c."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parents[1]
CARD = str(TESTS / "fixtures" / "cards" / "airoboros-c34b-gptq.md")

NOT_SUPPORTED, NO_PERMISSION, DRIVER_NOT_LOADED, FUNCTION_NOT_FOUND, GPU_IS_LOST, MISMATCH = 3, 4, 9, 13, 15, 18

DRIVER = "driver 550.54.14\ncuda 12040\n"
RTX_3060 = """\
gpu NVIDIA GeForce RTX 3060
uuid GPU-11111111-aaaa-4106-c12f-20bd9faed9f6
capability 8 6
memory 12288 300 1500
cores 3584
clock 2100
"""
RTX_4090 = """\
gpu NVIDIA GeForce RTX 4090
uuid GPU-12222222-bbbb-4106-c12f-20bd9faed9f6
capability 8 9
memory 24564 400 0
cores 16384
clock 3105
"""
A100 = """\
gpu NVIDIA A100-SXM4-40GB
uuid GPU-33333333-cccc-4106-c12f-20bd9faed9f6
capability 8 0
memory 40960 600 0
cores 6912
clock 1410
mig 1
"""
MIG_3G = """\
instance NVIDIA A100-SXM4-40GB MIG 3g.20gb
uuid MIG-44444444-dddd-4106-c12f-20bd9faed9f6
memory 19968 0 40
ids 2 0
"""
MIG_2G = """\
instance NVIDIA A100-SXM4-40GB MIG 2g.10gb
uuid MIG-55555555-eeee-4106-c12f-20bd9faed9f6
memory 9856 0 20
ids 3 0
"""
GB10 = f"""\
gpu NVIDIA GB10
uuid GPU-66666666-ffff-4106-c12f-20bd9faed9f6
capability 12 1
fail nvmlDeviceGetMemoryInfo {NOT_SUPPORTED}
fail nvmlDeviceGetMemoryInfo_v2 {NOT_SUPPORTED}
"""
MIB = 2**20


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the stand-in for the driver's library."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (cc) to build the stand-in for libnvidia-ml.so.1")
    folder = tmp_path_factory.mktemp("nvml")
    source = TESTS / "fakes" / "nvml" / "nvml.c"
    command = [
        compiler,
        "-Wall",
        "-Wextra",
        "-Werror",
        "-shared",
        "-fPIC",
        "-o",
        str(folder / "libnvidia-ml.so.1"),
        str(source),
    ]
    subprocess.run(command, check=True)
    return folder


class Machine:
    """A computer whose driver answers as a script says; quantpick runs on it as a process of its own."""

    def __init__(self, library: Path, script: Path) -> None:
        self.library = library
        self.script = script

    def run(self, script: str, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
        self.script.write_text(script)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CUDA_")}
        return subprocess.run(
            [sys.executable, "-m", "quantpick", *argv],
            env=inherited | {"LD_LIBRARY_PATH": str(self.library), "NVML_SCRIPT": str(self.script)} | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def gpus(self, script: str, **environment: str) -> Any:
        asked = self.run(script, "gpus", "--json", **environment)
        assert asked.returncode == 0, asked.stderr
        return json.loads(asked.stdout)["data"]

    def names(self, script: str, **environment: str) -> list[str]:
        found = self.gpus(script, **environment)["gpus"]
        assert [gpu["index"] for gpu in found] == list(range(len(found)))
        return [gpu["name"].removeprefix("NVIDIA ").removeprefix("GeForce ") for gpu in found]


@pytest.fixture
def machine(library: Path, tmp_path: Path) -> Machine:
    return Machine(library, tmp_path / "nvml.script")


def test_gpu_is_shown_with_all_its_facts(machine: Machine) -> None:
    data = machine.gpus(
        DRIVER + RTX_3060 + "graphics 812 300 /usr/lib/xorg/Xorg\ncompute 42 1100 /opt/py/python3 a.py\n"
    )
    assert (data["driver_version"], data["cuda_version"], data["problem"]) == ("550.54.14", "12.4", None)
    assert data["hidden"] == []
    assert data["gpus"] == [
        {
            "index": 0,
            "uuid": "GPU-11111111-aaaa-4106-c12f-20bd9faed9f6",
            "name": "NVIDIA GeForce RTX 3060",
            "total_bytes": 12288 * MIB,
            "free_bytes": (12288 - 300 - 1500) * MIB,
            "compute_capability": "8.6",
            "used_bytes": 1500 * MIB,
            "processes": [
                {"pid": 42, "name": "python3", "used_bytes": 1100 * MIB},
                {"pid": 812, "name": "Xorg", "used_bytes": 300 * MIB},
            ],
        }
    ]


@pytest.mark.parametrize("code", [NOT_SUPPORTED, FUNCTION_NOT_FOUND])
def test_driver_without_memory_info_2_tells_the_same_free_memory(code: int, machine: Machine) -> None:
    script = RTX_3060 + f"compute 42 1100 python3\nfail nvmlDeviceGetMemoryInfo_v2 {code}\n"
    (gpu,) = machine.gpus(script)["gpus"]
    assert gpu["free_bytes"] == (12288 - 300 - 1500) * MIB
    assert gpu["used_bytes"] == 1100 * MIB


def test_process_that_draws_and_computes_is_counted_once_and_unknown_sizes_and_names_are_said(machine: Machine) -> None:
    script = RTX_3060 + "graphics 7 100 blender\ncompute 7 900 blender\ncompute 8 -1 game\n"
    (gpu,) = machine.gpus(script)["gpus"]
    assert gpu["processes"] == [
        {"pid": 7, "name": "blender", "used_bytes": 900 * MIB},
        {"pid": 8, "name": "game", "used_bytes": None},
    ]
    (gpu,) = machine.gpus(f"fail nvmlSystemGetProcessName {NO_PERMISSION}\n" + script)["gpus"]
    assert [process["name"] for process in gpu["processes"]] == ["pid 7", "pid 8"]


@pytest.mark.parametrize(
    ("failing", "lost"),
    [
        ("nvmlDeviceGetName", {"name": "NVIDIA GPU"}),
        ("nvmlDeviceGetUUID", {"uuid": None}),
        ("nvmlDeviceGetCudaComputeCapability", {"compute_capability": None}),
        ("nvmlDeviceGetComputeRunningProcesses_v3", {"processes": []}),
        ("nvmlDeviceGetNumGpuCores", {}),
        ("nvmlDeviceGetMaxClockInfo", {}),
        ("nvmlDeviceGetMigMode", {}),
    ],
)
def test_call_that_fails_costs_its_own_fact_and_no_other(failing: str, lost: dict[str, Any], machine: Machine) -> None:
    whole = machine.gpus(RTX_3060 + "compute 42 1100 python3\n")["gpus"]
    rest = machine.gpus(RTX_3060 + f"compute 42 1100 python3\nfail {failing} {NOT_SUPPORTED}\n")["gpus"]
    assert rest == [whole[0] | lost]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (DRIVER_NOT_LOADED, "not loaded"),
        (MISMATCH, "reboot"),
        (NO_PERMISSION, "/dev/nvidia"),
        (28, "NVML code 28"),
    ],
)
def test_driver_that_does_not_answer_is_an_answer_with_its_reason(code: int, says: str, machine: Machine) -> None:
    script = f"fail nvmlInitWithFlags {code}\n" + RTX_3060
    data = machine.gpus(script)
    assert data["gpus"] == []
    assert says in data["problem"]
    asked = machine.run(script, "recommend", "--card", CARD)
    assert asked.returncode == 2
    assert says in asked.stderr


def test_machine_without_a_driver_is_an_answer(machine: Machine, tmp_path: Path) -> None:
    broken = tmp_path / "empty"
    broken.mkdir()
    (broken / "libnvidia-ml.so.1").write_bytes(b"no library")
    data = machine.gpus("", LD_LIBRARY_PATH=str(broken))
    assert data["gpus"] == []
    assert "libnvidia-ml.so.1" in data["problem"]
    assert data["ram_total_bytes"] > data["ram_available_bytes"] > 0


def test_driver_without_a_gpu_says_so(machine: Machine) -> None:
    assert machine.gpus(DRIVER)["problem"] == "the NVIDIA driver shows no GPU"


@pytest.mark.parametrize("failing", ["nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetMemoryInfo"])
def test_lost_gpu_is_named_and_the_others_still_answer(failing: str, machine: Machine) -> None:
    lost = RTX_3060 + f"fail nvmlDeviceGetMemoryInfo_v2 {GPU_IS_LOST}\nfail {failing} {GPU_IS_LOST}\n"
    data = machine.gpus(DRIVER + lost + RTX_4090)
    assert [gpu["name"] for gpu in data["gpus"]] == ["NVIDIA GeForce RTX 4090"]
    assert "GPU 0 is left out" in data["problem"]
    asked = machine.run(lost + RTX_4090, "recommend", "--card", CARD, "--loader", "exllama")
    assert asked.returncode == 0
    assert "GPU 0 is left out" in asked.stderr


def test_gpu_without_memory_of_its_own_has_the_hosts_and_says_so(machine: Machine) -> None:
    data = machine.gpus(DRIVER + GB10)
    (gpu,) = data["gpus"]
    assert gpu["total_bytes"] == data["ram_total_bytes"]
    assert 0 < gpu["free_bytes"] < gpu["total_bytes"]
    assert "RAM" in data["problem"]


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({}, ["RTX 4090", "RTX 3060"]),
        ({"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}, ["RTX 4090", "RTX 3060"]),
        ({"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, ["RTX 3060", "RTX 4090"]),
        ({"CUDA_VISIBLE_DEVICES": "1"}, ["RTX 3060"]),
        ({"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, ["RTX 4090"]),
        ({"CUDA_VISIBLE_DEVICES": "1,0"}, ["RTX 3060", "RTX 4090"]),
        ({"CUDA_VISIBLE_DEVICES": "GPU-11111111-AAAA-4106-c12f-20bd9faed9f6...,GPU-12"}, ["RTX 3060", "RTX 4090"]),
        ({"CUDA_VISIBLE_DEVICES": "GPU-12"}, ["RTX 4090"]),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, []),
        ({"CUDA_VISIBLE_DEVICES": ""}, []),
    ],
)
def test_gpus_are_those_of_cuda_in_its_order(environment: dict[str, str], names: list[str], machine: Machine) -> None:
    assert machine.names(DRIVER + RTX_3060 + RTX_4090, **environment) == names


def test_gpu_that_cuda_hides_is_still_listed_without_a_number(machine: Machine) -> None:
    data = machine.gpus(RTX_3060 + RTX_4090, CUDA_VISIBLE_DEVICES="0")
    assert [(gpu["index"], gpu["name"]) for gpu in data["hidden"]] == [(None, "NVIDIA GeForce RTX 3060")]
    assert data["problem"] is None


def test_mig_instances_are_gpus_with_their_own_memory_and_the_cards_capability(machine: Machine) -> None:
    data = machine.gpus("driver 570.86.10\n" + A100 + MIG_3G + MIG_2G)
    assert [(gpu["uuid"][:12], gpu["total_bytes"] // MIB, gpu["compute_capability"]) for gpu in data["gpus"]] == [
        ("MIG-44444444", 19968, "8.0"),
        ("MIG-55555555", 9856, "8.0"),
    ]


def test_older_driver_gives_a_process_one_mig_instance_and_the_rest_is_listed_as_hidden(machine: Machine) -> None:
    data = machine.gpus(DRIVER + A100 + MIG_3G + MIG_2G)
    assert [gpu["uuid"][:12] for gpu in data["gpus"]] == ["MIG-44444444"]
    assert [gpu["uuid"][:12] for gpu in data["hidden"]] == ["MIG-55555555"]
    assert "CUDA_VISIBLE_DEVICES=MIG-" in data["problem"]


@pytest.mark.parametrize(
    "mask", ["MIG-55555555-eeee-4106-c12f-20bd9faed9f6", "MIG-5", "MIG-GPU-33333333-cccc-4106-c12f-20bd9faed9f6/3/0"]
)
def test_mig_instance_is_chosen_by_either_of_its_names(mask: str, machine: Machine) -> None:
    assert machine.names(DRIVER + A100 + MIG_3G + MIG_2G, CUDA_VISIBLE_DEVICES=mask) == ["A100-SXM4-40GB MIG 2g.10gb"]


def test_mig_without_instances_is_no_gpu_and_says_why(machine: Machine) -> None:
    data = machine.gpus(DRIVER + A100)
    assert data["gpus"] == []
    assert "MIG on" in data["problem"]


def test_gpu_index_counts_as_cuda_counts(machine: Machine) -> None:
    argv = ["recommend", "--card", CARD, "--loader", "exllama", "--json", "--gpu-index"]
    fastest = json.loads(machine.run(RTX_3060 + RTX_4090, *argv, "0").stdout)["data"]["gpus"]
    assert [gpu["name"] for gpu in fastest] == ["NVIDIA GeForce RTX 4090"]
    masked = machine.run(RTX_3060 + RTX_4090, *argv, "1", CUDA_VISIBLE_DEVICES="0")
    assert masked.returncode == 2
    assert "`1`" in masked.stderr


def test_memory_that_a_process_holds_is_not_promised_and_the_process_is_named_where_it_decides(
    machine: Machine,
) -> None:
    argv = ["recommend", "--card", CARD, "--loader", "exllama", "--json"]
    alone = json.loads(machine.run(RTX_4090, *argv).stdout)["data"]
    busy = RTX_4090.replace("memory 24564 400 0", "memory 24564 400 4000") + "compute 42 3800 /usr/bin/firefox\n"
    shared = json.loads(machine.run(busy, *argv).stdout)["data"]
    assert shared["recommended"]["estimate"]["total_bytes"] < shared["gpus"][0]["free_bytes"]
    assert shared["recommended"]["branch"] != alone["recommended"]["branch"]
    (warning,) = [warning for warning in shared["warnings"] if warning["code"] == "foreign-process"]
    assert warning["branch"] == alone["recommended"]["branch"]
    assert "firefox (pid 42, 3.71 GiB)" in warning["message"]
    total = json.loads(machine.run(busy, *argv, "--vram-basis", "total").stdout)["data"]
    for answer in (alone, total):
        assert "foreign-process" not in [warning["code"] for warning in answer["warnings"]]


def test_process_that_decides_nothing_is_not_warned_about(machine: Machine) -> None:
    argv = ["recommend", "--card", CARD, "--loader", "exllama", "--json"]
    idle = RTX_4090.replace("memory 24564 400 0", "memory 24564 400 10") + "graphics 812 10 Xorg\n"
    codes = [warning["code"] for warning in json.loads(machine.run(idle, *argv).stdout)["data"]["warnings"]]
    assert "foreign-process" not in codes


def test_nothing_that_fits_beside_a_process_names_the_process(machine: Machine) -> None:
    busy = RTX_4090.replace("memory 24564 400 0", "memory 24564 400 20000")
    asked = machine.run(busy, "recommend", "--card", CARD, "--loader", "exllama")
    assert asked.returncode == 3
    assert "19.53 GiB held by processes the driver does not name" in asked.stderr


def test_screen_says_it_in_80_columns(machine: Machine) -> None:
    script = DRIVER + RTX_3060 + "compute 42 1100 /opt/python3\n" + RTX_4090 + A100 + MIG_3G + MIG_2G
    asked = machine.run(script, "gpus", COLUMNS="80", CUDA_VISIBLE_DEVICES="2,1,0", FORCE_COLOR="1")
    lines = re.sub(r"\x1b\[[\d;]*m", "", asked.stdout).splitlines()
    assert asked.returncode == 0
    assert max(map(len, lines)) <= 80
    assert lines[0] == "NVIDIA driver 550.54.14, CUDA up to 12.4"
    assert any(line.startswith("-    NVIDIA") for line in lines)
    assert "- is not shown to CUDA programs" in lines
