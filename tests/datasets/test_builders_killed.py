"""A build that is killed outright, in the middle of a file, goes on where it was."""

import importlib.util
import signal
import subprocess
import sys

import pytest

from tests import oracles

if importlib.util.find_spec("tensorflow_datasets") is None:
    oracles.missing("tensorflow_datasets")

import tensorflow_datasets as tfds

from gif2video_jax.datasets.gif_open import gif_open_dataset_builder as open_
from tests.datasets import building, miniature

# TensorFlow and Beam warn about their own parts.
pytestmark = pytest.mark.filterwarnings("ignore")

# One shard a source; the process kills itself once it has read the first chunk of some shard.
BUILD = """
import os, signal, sys
from gif2video_jax.datasets import build, shards
from gif2video_jax.datasets.gif_open import gif_open_dataset_builder as open_

manual, data, kill_at = sys.argv[1], sys.argv[2], int(sys.argv[3])
open_.Builder.SHARD_BYTES = 1
read, started = shards.read_chunks, []

def read_chunks(item, recipe):
    started.append(item)
    for chunk in read(item, recipe):
        yield chunk
        if len(started) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

shards.read_chunks = read_chunks
code = build.main(["gif_open/g8_octree_none", "--manual-dir", manual, "--data-dir", data])
print(len(started), "shards written")
sys.exit(code)
"""


def run_build(manual, data, kill_at: int) -> subprocess.CompletedProcess:
    arguments = [str(manual), str(data), str(kill_at)]
    command = [sys.executable, "-W", "ignore", "-c", BUILD, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_killed_build_goes_on_from_its_finished_shards(tmp_path, monkeypatch):
    miniature.make_open(tmp_path / "own")
    monkeypatch.setattr(open_.Builder, "SHARD_BYTES", 1)
    whole = building.build("gif_open/g8_octree_none", tmp_path / "whole", tmp_path / "own")
    count = len(building.record_files(whole))
    assert count > 3

    data = tmp_path / "killed"
    for kill_at in (2, 1):  # one finished each time, then none
        killed = run_build(tmp_path / "own", data, kill_at)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    unfinished = data / "unfinished/gif_open/g8_octree_none/1.1.0"
    assert len(list(unfinished.glob("*.records"))) == 1
    assert not (data / "gif_open/g8_octree_none/1.1.0").exists(), "nothing half built is found"

    again = run_build(tmp_path / "own", data, 0)
    assert again.returncode == 0, again.stderr
    assert f"{count - 1} shards written" in again.stdout
    assert not (data / "unfinished").exists()
    builder = tfds.builder("gif_open/g8_octree_none", data_dir=str(data))
    assert building.record_files(builder).keys() == building.record_files(whole).keys()
    assert building.examples(builder) == building.examples(whole)
