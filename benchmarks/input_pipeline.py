"""How fast training data are made, and whether training waits for them.

    python benchmarks/input_pipeline.py packed:corpus.zip
    python benchmarks/input_pipeline.py packed:corpus.zip --config configs/default_dequantizer.py

Without `--config`: pairs of a GIF frame and its truth, 256x256, a second and core: CPU time of one
process with one thread. Where TFDS is installed, crops of the source's stills are first built as a
data set (`gif_open` with stored GIFs, as GIF-Faces would be) and pairs are read from it, with the
GIFs that it stores and with GIFs made on the fly. Pairs from the source itself are of random views,
256 pixels high or wide and up to 352 the other way, cut to 256x256; pictures wait decoded.

With `--config`: trains for `--steps` steps and prints which share of the second half waited for
data, as the trainer itself measures it.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# One thread: what a data worker has. To be set before NumPy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from gif2video_jax.errors import InputError  # noqa: E402
from gif2video_jax.training import inputs  # noqa: E402
from gif2video_jax.training.examples import random_view  # noqa: E402

SIZE = 256
STORED = "gif_open/g32_dither"
PAPER = "32/minimum_variance/floyd_steinberg"


def pairs(source: str, **fields):
    return inputs.make_examples(
        "dequantization",
        split="train",
        seed=0,
        source=source,
        patch_size=SIZE,
        patches_per_frame=1,
        drawn_share=0.0,
        **fields,
    )


def rate(make: Callable[[int], object], seconds: float) -> float:
    """Calls a second of CPU time."""
    for index in range(8):  # opens files, decodes a few pictures
        make(index)
    count, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        make(8 + count)
        count += 1
    return count / (time.process_time() - start)


def print_rates(source: str, seconds: float) -> None:
    print("| 256-px pairs | a second and core |")
    print("|---|---|")

    def row(label: str, maker) -> None:
        print(f"| {label} | {rate(maker.__getitem__, seconds):.0f} |", flush=True)

    stills = pairs(source)._source
    for item in stills.items:  # decoded once in a run: not part of its rate
        stills.frame(item)
    for recipe, name in (("wild", "GIFs of all kinds"), (PAPER, "the paper's GIFs")):
        maker = pairs(source, recipe=recipe)
        maker._source = stills
        row(f"views of stills, {name} made on the fly", maker)
    if importlib.util.find_spec("tensorflow_datasets") is None:
        print("TFDS is not installed: no stored GIFs", file=sys.stderr)
        return
    stored = build_crops(stills)
    row("stored frames and GIFs", pairs(stored, recipe="stored"))
    for recipe, name in (("wild", "GIFs of all kinds"), (PAPER, "the paper's GIFs")):
        maker = pairs(stored, recipe=recipe, augmentation="crop")
        row(f"stored frames, {name} made on the fly", maker)


def build_crops(stills) -> str:
    """Builds a data set of 256x256 crops where TFDS looks for it; returns its name."""
    from gif2video_jax.datasets import build

    top = Path(os.environ["TFDS_DATA_DIR"])
    rng = np.random.default_rng(0)
    for number, item in enumerate(stills.items):
        view = random_view(rng, stills.frame(item), at_least=SIZE)[:SIZE, :SIZE]
        path = top / "crops" / "train" / f"crop{number:04d}x.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.ascontiguousarray(view)).save(path)
    with contextlib.redirect_stdout(sys.stderr):
        build.main([STORED, "--manual-dir", str(top / "crops"), "--data-dir", str(top)])
    return f"tfds:{STORED}"


def print_wait(source: str, path: str, steps: int, workers: int) -> None:
    """Trains for a moment and prints what the trainer says of its waiting."""
    from gif2video_jax.training import train  # Only here: it needs JAX.

    spec = importlib.util.spec_from_file_location("config", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path}: not a config file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config()
    with config.unlocked():
        if "corpus" in config.data:  # its older name
            del config.data.corpus
        config.data.source = source
        config.num_workers = workers
        config.num_steps = steps
        config.log_every = max(1, steps // 2)  # the first half compiles
        config.evaluate_every = 2 * steps
        config.validation_batches = 1
        config.initial_checkpoint = ""
    with tempfile.TemporaryDirectory() as workdir:
        train.train(config, workdir)
        lines = Path(workdir, "metrics.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
    waits = [row for row in rows if "input_wait_share" in row]
    if not waits:
        raise InputError(f"{path}: stopped before step {config.log_every}, nothing was measured")
    row = waits[-1]
    print(
        f"{path}, {workers} workers, {os.cpu_count()} cores: "
        f"{row['steps_per_second']:.2f} steps a second, of which "
        f"{100 * row['input_wait_share']:.0f}% waited for data"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help="packed:FILE or folder:DIR, to make GIFs of")
    parser.add_argument("--seconds", type=float, default=10, help="CPU time for each rate")
    parser.add_argument("--config", help="train with this config, and print its waiting")
    parser.add_argument("--steps", type=int, default=40, help="of that training")
    parser.add_argument("--workers", type=int, default=1, help="of that training")
    arguments = parser.parse_args()
    try:
        if arguments.config:
            print_wait(arguments.source, arguments.config, arguments.steps, arguments.workers)
        else:
            with tempfile.TemporaryDirectory() as folder:
                os.environ["TFDS_DATA_DIR"] = folder
                print_rates(arguments.source, arguments.seconds)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
