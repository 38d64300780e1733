"""Follows the recipes of docs/architecture.md word for word, on a copy of the package."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from tests import oracles

ROOT = pathlib.Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
FENCE = r"\s*\n\n```python\n(?P<code>.*?)```"
STEP = re.compile(
    r"Write `(?P<write>[^`]+)`:" + FENCE.replace("code", "whole")
    + r"|In\s`(?P<file>[^`]+)`,\s(?P<how>below|in\splace\sof)\s`(?P<anchor>[^`]+)`,\s(?:add|put):"
    + FENCE
    + r"|Check[^\n]*:" + FENCE.replace("code", "check"),
    re.DOTALL,
)


def recipes():
    """Title -> text of each recipe."""
    part = PAGE.split("## How to add something")[1]
    pieces = re.split(r"^### (.+)$", part, flags=re.MULTILINE)[1:]
    return dict(zip(pieces[::2], pieces[1::2], strict=True))


def follow(text, folder):
    """Makes a recipe's changes in a folder; returns the check at its end."""
    check, steps = None, 0
    for match in STEP.finditer(text):
        steps += 1
        if match["write"]:
            path = folder / match["write"]
            assert not path.exists(), f"{match['write']} exists already"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(match["whole"], "utf-8")
        elif match["file"]:
            path = folder / match["file"]
            lines = path.read_text("utf-8").split("\n")
            found = [i for i, line in enumerate(lines) if line == match["anchor"]]
            assert len(found) == 1, f"{match['file']}: {len(found)} lines {match['anchor']!r}"
            at = found[0]
            if match["how"] == "below":
                lines[at + 1 : at + 1] = match["code"].removesuffix("\n").split("\n")
            else:
                lines[at : at + 1] = match["code"].removesuffix("\n").split("\n")
            path.write_text("\n".join(lines), "utf-8")
        else:
            check = match["check"]
    # Every block of a recipe is a step: none was overlooked for its wording.
    assert steps == text.count("```python")
    assert check is not None
    return check


@pytest.fixture
def copy(tmp_path):
    """A copy of the package without its weights and byte code."""
    ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
    shutil.copytree(ROOT / "gif2video_jax", tmp_path / "gif2video_jax", ignore=ignored)
    return tmp_path


def run(check, folder):
    work = folder / "work"
    work.mkdir()
    shutil.copy(ROOT / "data/samples/bunny.mp4", work)
    environment = os.environ | {"PYTHONPATH": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=work, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_there_is_a_recipe_for_each_kind_of_part():
    assert list(recipes()) == ["A model", "A loss", "A dither", "A data set"]


def test_the_recipes_of_a_model_a_loss_and_a_dither_work_together(copy):
    checks = [follow(recipes()[name], copy) for name in ("A model", "A loss", "A dither")]
    run("\n".join(checks), copy)
    ruff = shutil.which("ruff", path=pathlib.Path(sys.executable).parent)
    if ruff:  # what a recipe adds is in the project's style
        changed = [str(copy / name) for name in re.findall(r"(?:Write|In)\s`([^`]+\.py)`", PAGE)]
        changed = sorted({name for name in changed if pathlib.Path(name).exists()})
        settings = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
        done = subprocess.run([ruff, "check", *settings, *changed], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_the_recipe_of_a_data_set_works(copy):
    oracles.require_module("tensorflow_datasets")
    oracles.require_module("tensorflow")
    run(follow(recipes()["A data set"], copy), copy)
