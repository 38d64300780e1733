"""Many devices and several processes train as one device does (benchmarks/devices.py)."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from tests.training import toy
from tests.training.miniature_corpus import write_corpus
from tests.training.shrunk_configs import shipped
from tests.training.small_configs import small_config, write_config

ROOT = pathlib.Path(__file__).parents[2]


def differences(config: str, *arguments: str) -> dict[tuple[str, str], float]:
    """What the script prints: layout and group to the largest difference."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks/devices.py"), f"--config={config}", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)},
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *lines, verdict = done.stdout.splitlines()
    assert verdict == "equals"
    found = {}
    for line in lines:
        layout, _, _, group, value = line.split()
        found[layout, group] = float(value)
    return found


def test_eight_devices_train_as_one(tmp_path):
    fields = json.loads(toy.get_config(data={"examples_per_batch": 4}).to_json())
    config = write_config(tmp_path / "config.py", fields)
    found = differences(config, "--layouts=1x1,1x8", "--register=tests.training.toy")
    assert max(found.values()) < 1e-5
    assert {"losses", "outputs", "params", "model_state", "average"} <= {g for _, g in found}


@pytest.mark.long
def test_two_processes_train_as_one(tmp_path):
    fields = json.loads(toy.get_config(data={"examples_per_batch": 4}).to_json())
    config = write_config(tmp_path / "config.py", fields)
    # Past the step at which processes agree whether to stop and to save.
    found = differences(
        config, "--layouts=1x8,2x4,4x2", "--steps=12", "--register=tests.training.toy"
    )
    assert max(found.values()) < 1e-5


@pytest.mark.long
def test_the_papers_training_is_the_same_on_one_device_eight_and_two_times_four(tmp_path):
    """CCDNet-1 with BatchNorm and a GAN: statistics are those of the whole batch."""
    corpus = write_corpus(tmp_path / "corpus.zip", size=(80, 90))
    fields = small_config(str(corpus))
    # Adam divides a gradient by its size: of one that is nearly nothing, the rounding of sums in
    # another order is a part of a step. Smaller steps keep that well below what is looked for.
    fields["optimizer"]["learning_rate"] = 2e-5
    config = write_config(tmp_path / "config.py", fields)
    found = differences(config, "--layouts=1x1,1x8,2x4")
    assert found["2x4", "params"] < 1e-5 and found["1x8", "model_state"] < 1e-5


@pytest.mark.long
def test_inpainting_in_two_stages_is_the_same_on_one_device_and_eight(tmp_path):
    """The 3DCN alone for two steps, then both networks: BatchNorm over frames of all devices."""
    corpus = write_corpus(tmp_path / "corpus.zip", size=(80, 90))
    config = shipped("combcn_faces.py")
    config.update({"num_steps": 3, "volume_steps": 2, "num_workers": 0, "validation_batches": 1})
    config.model.update({"base_channels": 4, "volume_channels": 2})
    # Adam's first steps are as long as the rate whatever the gradient, and turn with the rounding
    # of one that is nearly nothing, such as a single weight may have: so those move little here.
    # And gradients of L1 losses jump where a difference changes its sign.
    config.optimizer.update({"learning_rate": 2e-5, "epsilon": 1e-3})
    config.data.update(
        {
            "source": f"packed:{corpus}",
            "examples_per_batch": 8,
            "size": 32,
            "num_frames": 4,
            "real_share": 0.0,
            "sampling": "random",
        }
    )
    path = write_config(tmp_path / "config.py", json.loads(config.to_json()))
    found = differences(path, "--layouts=1x1,1x8")
    assert found["1x8", "model_state"] < 1e-5 and found["1x8", "outputs"] < 1e-5
    assert found["1x8", "params"] < 1e-5 and found["1x8", "gradient_norm"] < 2e-4
