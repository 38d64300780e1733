"""Runs that are killed at random moments (benchmarks/survive.py); another seed, another life."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from tests.training import toy
from tests.training.miniature_corpus import write_corpus
from tests.training.small_configs import small_config, write_config

ROOT = pathlib.Path(__file__).parents[2]


def survive(config: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks/survive.py"), f"--config={config}", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)},
        timeout=1500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "survives, equals"
    return done.stdout


@pytest.mark.long
def test_a_run_survives_kills_at_random_moments(tmp_path):
    """A task whose steps take no time, so that most of it is saving."""
    config = write_config(tmp_path / "config.py", json.loads(toy.get_config().to_json()))
    arguments = ("--module=tests.training.toy", "--steps=800", "--kills=8", "--seed=4")
    said = survive(config, *arguments)
    assert "SIGKILL during save" in said


@pytest.mark.long
def test_the_papers_training_survives_kills_at_random_moments(tmp_path):
    """BatchNorm, a GAN with its image pool, and data workers."""
    corpus = write_corpus(tmp_path / "corpus.zip", size=(80, 90))
    fields = small_config(str(corpus), num_workers=1)
    survive(write_config(tmp_path / "config.py", fields), "--steps=60", "--kills=4", "--seed=5")
