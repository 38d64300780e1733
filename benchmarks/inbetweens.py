"""How frames between are best sampled: by size of motion and by what is left of a GIF's damage.

    python benchmarks/inbetweens.py --corpus corpus.zip [--clips FOLDER] [--motion 1 3 8 24]
        [--left 0 0.4] [--scenes 16] [--seed 0] [--model default]

Of pairs of key frames, the frame half way, PSNR: blended, warped along OpenCV's DIS flow (bilinear
and bicubic), and by the interpolator (bilinear, and bicubic as it is). The key frames are those of
scenes rendered from the corpus' validation stills, whose points move up to so many pixels; and of
each video in FOLDER, every second frame of which is taken at 320 pixels, two, four and eight
apart. A share of what a random GIF making does to them is left in them.
"""

import argparse
import pathlib
from unittest import mock

import numpy as np
from averaging import read_clip

from gif2video_jax.datasets.corpus_list import CLIP_SUFFIXES
from gif2video_jax.datasets.motion_scenes import SceneOptions, random_scene
from gif2video_jax.evaluation.benchmark.inbetweens import blended, flow_warped
from gif2video_jax.evaluation.metrics import psnr
from gif2video_jax.models import superslomo
from gif2video_jax.ops.warp import warp
from gif2video_jax.pretrained import load_model
from gif2video_jax.restoring.interpolate import Interpolator
from gif2video_jax.training.interpolation_examples import damaged_keys
from gif2video_jax.training.sources import open_source

HEIGHT, WIDTH = 192, 256
NUM_FRAMES = 130  # of each clip at most
STEPS = (2, 4, 8)
PAIRS = 10  # of each clip
METHODS = ("blended", "DIS, bilinear", "DIS, bicubic", "ours, bilinear", "ours")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", required=True, help="a packed corpus")
    parser.add_argument("--clips", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--motion", type=float, nargs="+", default=[1, 3, 8, 24], help="pixels")
    parser.add_argument("--left", type=float, nargs="+", default=[0, 0.4], help="shares of damage")
    parser.add_argument("--scenes", type=int, default=16, help="of each size of motion")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="default", help="a model's name or folder")
    options = parser.parse_args()
    network = load_model(options.model).interpolator
    bicubic, bilinear = Interpolator(network), Interpolator(network)
    print("| key frames | damage left | " + " | ".join(METHODS) + " |")
    print("|---|---|" + "---|" * len(METHODS))
    for name, triples in groups(options):
        for left in options.left:
            rng = np.random.default_rng(options.seed)
            rows = [scores(bicubic, bilinear, rng, left, *triple) for triple in triples]
            cells = " | ".join(f"{value:.2f}" for value in np.mean(rows, axis=0))
            print(f"| {name} | {left:g} | {cells} |", flush=True)


def groups(options: argparse.Namespace):
    """Names, and lists of a first frame, the one half way and a last one."""
    source = open_source(options.corpus, split="validation", kind="still")
    for motion in options.motion:
        triples = []
        for number in range(options.scenes):
            rng = np.random.default_rng([options.seed, number])
            scene = random_scene(
                rng,
                lambda generator: source.frame(source.random_item(generator), 0),
                height=HEIGHT,
                width=WIDTH,
                options=SceneOptions(max_motion=motion, small_motion=0.0),
            )
            triples.append(scene.render([0.0, 0.5, 1.0]))
        yield f"scenes, up to {motion:g} pixels", triples
    paths = sorted(options.clips.rglob("*")) if options.clips else []
    for path in (p for p in paths if p.suffix.lower() in CLIP_SUFFIXES):
        frames = np.stack(read_clip(path, NUM_FRAMES))
        for step in (s for s in STEPS if s < len(frames)):
            starts = np.linspace(0, len(frames) - 1 - step, PAIRS).astype(int)
            triples = [frames[[start, start + step // 2, start + step]] for start in starts]
            yield f"{path.stem}, {step} apart", triples


def scores(bicubic, bilinear, rng, left: float, first, truth, last) -> list[float]:
    """PSNR of the frame half way, in the order of METHODS."""
    keys = list(damaged_keys(rng, np.stack([first, last]), left) if left else (first, last))
    dis = {"preset": "medium", "approximation": "scaled"}
    found = [blended(keys, 2)[1]]
    found += [flow_warped(keys, 2, sampling=sampling, **dis)[1] for sampling in ("linear", "cubic")]
    # How frames are sampled is fixed when a size is compiled, at its first use.
    with mock.patch.object(superslomo, "warp_bicubic", warp):
        found.append(bilinear.between(*keys, [0.5])[0])
    found.append(bicubic.between(*keys, [0.5])[0])
    return [psnr(picture, truth) for picture in found]


if __name__ == "__main__":
    main()
