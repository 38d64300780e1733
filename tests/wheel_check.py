"""Installs the built wheel with [data] in an empty environment and builds a data set there.

    make test-wheel, or: python tests/wheel_check.py [FOLDER]

Takes minutes and about 3 GB, in FOLDER if one is given (kept then) or in a temporary one. What it
proves: the wheel holds all files that the builders need, the extra names all packages that they
need, and a data set is found by name and read through `tfds.load` and `tfds.data_source`.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Runs in the new environment, far from the repository.
CHECK = """
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import gif2video_jax
import gif2video_jax.datasets
assert Path(gif2video_jax.__file__).is_relative_to(sys.prefix), gif2video_jax.__file__
assert not {"jax", "tensorflow"} & set(sys.modules)

folder = Path(sys.argv[1])
rng = np.random.default_rng(0)
for number in range(6):
    small = Image.fromarray(rng.integers(90, 170, (6, 8, 3), dtype=np.uint8))
    picture = small.resize((160, 120), Image.Resampling.BICUBIC)
    picture.save(folder / f"pictures/picture{chr(97 + number)}.png")

import tensorflow_datasets as tfds

builder = tfds.builder("gif_open/g32_dither", data_dir=folder / "data")
builder.download_and_prepare(
    download_config=tfds.download.DownloadConfig(manual_dir=folder / "pictures")
)
assert not {"jax", "tensorflow"} & set(sys.modules), "building data needs neither"
assert "open corpus" in builder.info.description and "wang2019gif2video" in builder.info.citation

source = tfds.data_source("gif_open/g32_dither", split="train", data_dir=folder / "data")
dataset = list(tfds.load("gif_open/g32_dither", split="train", data_dir=folder / "data"))
assert len(source) == len(dataset) == 5, (len(source), len(dataset))
for one, other in zip(source, dataset):
    indices = np.asarray(one["frames"]["indices"])
    np.testing.assert_array_equal(indices, other["frames"]["indices"].numpy())
    gif = np.asarray(one["frames"]["palette"])[0][indices[0, ..., 0]]
    truth = np.asarray(one["frames"]["image"])[0]
    assert np.abs(gif.astype(int) - truth).mean() < 20

from gif2video_jax.datasets import open_corpus, reading

assert reading.ClipReader(builder, "validation").frame(0, 0)["truth"].shape == (120, 160, 3)
packed = str(folder / "corpus.zip")
assert open_corpus.main(["pack", "--input", str(folder / "pictures"), "--output", packed]) == 0
assert open_corpus.main(["list"]) == 0
for name in gif2video_jax.datasets.TFDS_DATASETS:
    assert tfds.builder_cls(name).get_metadata().citation, name
print("the wheel builds and reads gif_open")
"""


def run(*command: str, **options) -> None:
    """Runs a command; stops with its exit code if it fails."""
    print("$", *command[:6], "..." if len(command) > 6 else "", flush=True)
    done = subprocess.run(command, **options)
    if done.returncode:
        sys.exit(done.returncode)


def main() -> None:
    """Builds, installs and checks."""
    with contextlib.ExitStack() as stack:
        if len(sys.argv) > 1:
            folder = Path(sys.argv[1]).resolve()
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in ("wheel", "work/pictures"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        pip = ("-m", "pip", "--disable-pip-version-check")
        run(sys.executable, *pip, "wheel", "--no-deps", "-w", str(folder / "wheel"), str(ROOT))
        (wheel,) = (folder / "wheel").glob("gif2video_jax-*.whl")
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB", flush=True)
        venv.create(folder / "environment", with_pip=True)
        python = str(folder / "environment/bin/python")
        run(python, *pip, "install", "--quiet", "--no-compile", f"{wheel}[data]")
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        work = folder / "work"
        run(python, "-W", "ignore", "-c", CHECK, str(work), cwd=work, env=clean)


if __name__ == "__main__":
    main()
