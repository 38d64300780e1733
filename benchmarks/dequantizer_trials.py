"""Trains variants of the bundled dequantiser from nothing for equal steps, on a packed corpus.

    python benchmarks/dequantizer_trials.py --corpus corpus.zip --output DIR [--steps 500]
        [--seeds 1] [--only NAME ...]

Each row changes one thing of configs/default_dequantizer.py. The gain is that over the GIF in PSNR
on validation pictures, every kind of GIF mixed, by averaged weights, at half of the steps and at
the end; rows of one command see the same pictures in the same order. Few steps tell what learns
fast, and not what is best in the end. A finished trial is not run again; an interrupted one goes
on.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
CONFIG = ROOT / "configs" / "default_dequantizer.py"
TRIALS: dict[str, dict[str, object]] = {
    "as bundled": {},
    "normalisation over the channels of each pixel": {"model.unet.norm": "layer"},
    "normalisation over the batch": {"model.unet.norm": "batch"},
    "tanh(U(G)) instead of G + U(G)": {
        "model.composition": "tanh",
        "model.unet.zero_head": False,
    },
    "head starts at random": {"model.unet.zero_head": False},
    "no palette geometry": {"model.geometry_channels": 0},
    "no amplified detail": {"model.detail_gain": 0.0},
    "neither geometry nor detail": {"model.geometry_channels": 0, "model.detail_gain": 0.0},
    "stages without shortcuts": {"model.unet.residual_stages": False},
    "one patch of 128 pixels a GIF, not 4 of 64": {
        "data.patch_size": 128,
        "data.patches_per_frame": 1,
    },
    "batches of 2 GIFs, not 6": {"data.examples_per_batch": 2},
    "L1 alone": {"losses.gradient": 0.0},
    "log of the squared error": {
        "losses.l1": 0.0,
        "losses.gradient": 0.25,
        "losses.log_squared": 0.005,
    },
    "weights not averaged": {"ema_decay": 0.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", required=True, help="a packed corpus")
    parser.add_argument("--output", required=True, type=pathlib.Path, help="a folder")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=1, help="runs of each, whose mean is taken")
    parser.add_argument("--only", nargs="+", choices=TRIALS, help="names of trials")
    options = parser.parse_args()
    names = options.only or list(TRIALS)
    for seed in range(options.seeds):
        for name in names:
            train(name, seed, options)
    print_table(names, options)


def workdir(name: str, seed: int, options: argparse.Namespace) -> pathlib.Path:
    return options.output / f"{list(TRIALS).index(name):02d}-{seed}"


def train(name: str, seed: int, options: argparse.Namespace) -> None:
    """Runs or resumes one trial; a finished one ends at once."""
    changes = {
        "data.corpus": options.corpus,
        "num_steps": options.steps,
        "evaluate_every": options.steps // 2,
        "ema_decay": 0.99,
        "optimizer.warmup_steps": options.steps // 10,
        "seed": seed,
    } | TRIALS[name]
    command = [
        *(sys.executable, "-m", "gif2video_jax.training.train"),
        *(f"--config={CONFIG}", f"--workdir={workdir(name, seed, options)}"),
        *(f"--config.{field}={value}" for field, value in changes.items()),
    ]
    options.output.mkdir(parents=True, exist_ok=True)
    if code := subprocess.run(command).returncode:  # it has said why
        sys.exit(code)


def gains(name: str, seed: int, options: argparse.Namespace) -> list[float]:
    """Of a trial, in the order of steps."""
    lines = (workdir(name, seed, options) / "metrics.jsonl").read_text().splitlines()
    found = {
        e["step"]: e["validation_gain"] for e in map(json.loads, lines) if "validation_gain" in e
    }
    return [found[step] for step in sorted(found)]


def print_table(names: list[str], options: argparse.Namespace) -> None:
    """The trials as Markdown."""
    print(f"| trial | gain after {options.steps // 2} steps, dB | after {options.steps} |")
    print("|---|---|---|")
    for name in names:
        runs = [gains(name, seed, options) for seed in range(options.seeds)]
        means = [statistics.mean(at) for at in zip(*runs, strict=True)]
        print(f"| {name} | {means[0]:.2f} | {means[-1]:.2f} |")


if __name__ == "__main__":
    main()
