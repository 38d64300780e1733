"""Trains each of the paper's configs for a short while on a packed corpus: a point of each curve.

    python benchmarks/config_points.py --corpus corpus.zip --output DIR [--steps 100]
        [--dtype bfloat16] [--only NAME ...]

The networks, losses, optimisers and update rules are the configs' own; data and batches are small,
so that a CPU gets through: stills of the corpus as GIFs of the config's kind, rendered motion where
a clip is needed. Networks that stand on others take those trained here. The gain is that of the
network on validation data over its baseline: over the GIF in PSNR; over its nearest key frame; for
inpainting, over the smooth fill, in levels of 255 of mean L1. So few steps show that the training
works, and nothing of what it leads to.

A finished point is not trained again; an interrupted one goes on.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time

import numpy as np

from gif2video_jax.datasets.motion_scenes import SceneOptions, random_scene
from gif2video_jax.media import open_writer
from gif2video_jax.training.sources import open_source

ROOT = pathlib.Path(__file__).resolve().parents[1]
KINDS = {
    "g32_dither": "32/minimum_variance/floyd_steinberg",
    "g32_nodither": "32/minimum_variance/none",
    "g32_dither+g32_nodither": "wild",
}
# Config -> the one whose network it stands on, and the one that it goes on from.
BASES = {
    "ccdnet2_faces_dither": "ccdnet1_faces_dither",
    "ccdnet2_faces_nodither": "ccdnet1_faces_nodither",
    "ccdnet2_gan_faces_dither": "ccdnet1_gan_faces_dither",
    "ccdnet2_gan_faces_nodither": "ccdnet1_gan_faces_nodither",
    "interpolation_faces_joint": "ccdnet1_gan_faces_nodither",
    "interpolation_faces_sequential": "ccdnet1_gan_faces_nodither",
    "interpolation_moments_joint": "ccdnet1_gan_moments_nodither",
}
STARTS = {
    "interpolation_faces_sequential": "interpolation_faces_joint",
    "interpolation_moments_joint": "interpolation_faces_joint",
}
CLIP_SIDE = 160


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", required=True, help="a packed corpus")
    parser.add_argument("--output", required=True, type=pathlib.Path, help="a folder")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--only", nargs="+", help="names of configs, without .py")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for name in options.only or config_names():
        train(name, options)
    print_table(options)


def config_names() -> list[str]:
    """The paper's configs, each after those that it needs."""
    names = sorted(
        path.stem
        for path in (ROOT / "configs").glob("*.py")
        if path.stem.startswith(("ccdnet", "interpolation", "combcn_faces"))
    )
    return sorted(names, key=lambda name: (name in BASES, name in STARTS, name))


def train(name: str, options: argparse.Namespace) -> None:
    """Runs or resumes one config's training by the command that its header tells."""
    workdir = options.output / name
    if (workdir / "point.json").exists():
        return
    command = [
        *(sys.executable, "-m", "gif2video_jax.training.train"),
        *(f"--config={ROOT / 'configs' / name}.py", f"--workdir={workdir}"),
        *(f"--config.{field}={value}" for field, value in changes(name, options).items()),
    ]
    start = time.time()
    subprocess.run(command, check=True)
    point = summary(workdir) | {"steps": options.steps, "minutes": (time.time() - start) / 60}
    (workdir / "point.json").write_text(json.dumps(point))


def changes(name: str, options: argparse.Namespace) -> dict[str, object]:
    """The fields that make a config small."""
    steps = options.steps
    common = {
        "num_steps": steps,
        "log_every": max(1, steps // 10),
        "evaluate_every": steps,
        "validation_batches": 4,
        "num_workers": 1,
        "data.sampling": "random",
    }
    if name.startswith("combcn"):
        small = {"data.num_frames": 16, "data.size": 64, "data.real_share": 0.0}
        starts_with_3dcn = "scratch" not in name and "2d" not in name
        schedule = {"volume_steps": steps // 3} if starts_with_3dcn else {}
        source = {"data.source": f"packed:{options.corpus}", "model.dtype": options.dtype}
        return common | small | schedule | source | {"data.examples_per_batch": 2}
    common |= {"model.unet.dtype": options.dtype, "data.recipe": recipe(name)}
    if name in BASES:
        common["base.workdir"] = options.output / BASES[name]
    if name in STARTS:
        common["initial_checkpoint"] = options.output / STARTS[name]
    if name.startswith("interpolation"):
        folder = rendered_clips(options)
        clips = {"data.source": f"folder:{folder}", "data.size": 128, "data.examples_per_batch": 2}
        return common | clips | {"outliers.steps_per_epoch": max(1, steps // 4)}
    frames = {"data.source": f"packed:{options.corpus}", "data.patch_size": 64}
    return common | frames | {"data.augmentation": "crop"}


def recipe(name: str) -> str:
    """The config's kind of GIF."""
    text = name.removesuffix("_joint").removesuffix("_sequential")
    if text.endswith("dither_nodither"):
        return KINDS["g32_dither+g32_nodither"]
    return KINDS["g32_dither" if text.endswith("_dither") else "g32_nodither"]


def rendered_clips(options: argparse.Namespace) -> pathlib.Path:
    """A folder of clips, 24 of the training split and 6 of the validation split."""
    folder = options.output / "clips"
    for split, count in (("train", 24), ("validation", 6)):
        stills = open_source(options.corpus, split=split, kind="still")
        (folder / split).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            path = folder / split / f"{number:02d}.mkv"
            if not path.exists():
                write_clip(path, stills, np.random.default_rng([count, number]))
    return folder


def write_clip(path: pathlib.Path, stills, rng: np.random.Generator) -> None:
    """A clip of 17 frames of rendered motion."""
    motion = SceneOptions(max_motion=12.0, duration=2.0)
    scene = random_scene(
        rng,
        lambda generator: stills.frame(stills.random_item(generator)),
        height=CLIP_SIDE,
        width=CLIP_SIDE,
        options=motion,
    )
    with open_writer(path, width=CLIP_SIDE, height=CLIP_SIDE, rate=25, lossless=True) as writer:
        for frame in scene.render(list(np.linspace(0, 2, 17))):
            writer.write(frame)


def summary(workdir: pathlib.Path) -> dict[str, float]:
    """First and last loss, steps a second, and the gain on validation data."""
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    losses = [entry["loss"] for entry in entries if "loss" in entry]
    rates = [entry["steps_per_second"] for entry in entries if "steps_per_second" in entry]
    gain = next(e["validation_gain"] for e in reversed(entries) if "validation_gain" in e)
    return {
        "first_loss": losses[0],
        "last_loss": float(np.mean(losses[-3:])),
        "gain": gain,
        "steps_per_second": float(np.median(rates)),
    }


def print_table(options: argparse.Namespace) -> None:
    """The points as Markdown."""
    print("| config | steps | loss at first | at last | gain | steps a second | minutes |")
    print("|---|---|---|---|---|---|---|")
    for name in config_names():
        path = options.output / name / "point.json"
        if path.exists():
            point = json.loads(path.read_text())
            unit = "levels" if name.startswith("combcn") else "dB"
            print(
                f"| {name} | {point['steps']} | {point['first_loss']:.4g} | "
                f"{point['last_loss']:.4g} | {point['gain']:+.2f} {unit} | "
                f"{point['steps_per_second']:.2g} | {point['minutes']:.1f} |"
            )


if __name__ == "__main__":
    main()
