"""What averaging restored frames with their neighbours gains, by how a neighbour is weighed.

    python benchmarks/averaging.py --corpus FOLDER [--spread 5 8 12] [--miss 1.5] [--blur 0.6]
                                   [--kinds 128-median_cut-none ...] [--scenes 4]
                                   [--frames 12] [--model default] [--seed 0]

FOLDER is a fetched open corpus (`python -m gif2video_jax.datasets.open_corpus fetch`) or any
folder with `train/clips` and `train/stills`. Every second frame of each clip, scaled down to 320
pixels, and scenes rendered from the stills are made GIFs of four kinds, or of those given; each
frame is restored alone, then averaged. Prints the mean gain in dB over the frames alone, the clips'
and the scenes', one row for each spread (levels that a neighbour differs by when it counts 1/e),
miss (pixels) and blur (share of the detail that moving a neighbour spoils; 0 weighs nothing of
that).
"""

import argparse
import itertools
import pathlib

import numpy as np
from PIL import Image

from gif2video_jax.datasets.corpus_list import CLIP_SUFFIXES, STILL_SUFFIXES
from gif2video_jax.datasets.motion_scenes import SceneOptions, random_scene
from gif2video_jax.evaluation.benchmark.gif_kinds import STILL_KINDS, make_gif, parse_kind
from gif2video_jax.evaluation.metrics import psnr
from gif2video_jax.media import open_video
from gif2video_jax.ops.motion_average import BLUR, MISS, SPREAD
from gif2video_jax.pretrained import load_model
from gif2video_jax.restoring.averaging import Averager
from gif2video_jax.restoring.compilation import use_persistent_cache
from gif2video_jax.restoring.dequantize import Dequantizer
from gif2video_jax.restoring.gif_frame import Clean, GifFrame
from gif2video_jax.restoring.interpolate import Interpolator

SIDE = 320


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", type=pathlib.Path, required=True, metavar="FOLDER")
    parser.add_argument("--spread", type=float, nargs="+", default=[SPREAD])
    parser.add_argument("--miss", type=float, nargs="+", default=[MISS])
    parser.add_argument("--blur", type=float, nargs="+", default=[BLUR])
    parser.add_argument("--kinds", type=parse_kind, nargs="+", default=STILL_KINDS, help="of GIF")
    parser.add_argument("--scenes", type=int, default=4, help="that are rendered")
    parser.add_argument("--frames", type=int, default=12, help="of each clip and scene")
    parser.add_argument("--model", default="default", help="a model's name or folder")
    parser.add_argument("--seed", type=int, default=0, help="of the scenes")
    options = parser.parse_args()
    use_persistent_cache()
    clips = [read_clip(path, options.frames) for path in files(options, "clips", CLIP_SUFFIXES)]
    scenes = rendered(options)
    model = load_model(options.model)
    flows = Interpolator(model.interpolator)
    print(
        "| spread | miss | blur | of | " + " | ".join(kind.title for kind in options.kinds) + " |"
    )
    print("|---|---|---|---|" + "---|" * len(options.kinds))
    restored = {
        (of, kind): [restore(model, truth, kind) for truth in truths]
        for of, truths in (("clips", clips), ("scenes", scenes))
        for kind in options.kinds
    }
    for spread, miss, blur in itertools.product(options.spread, options.miss, options.blur):
        averager = Averager(flows, spread=spread, miss=miss, blur=blur)
        for of, truths in (("clips", clips), ("scenes", scenes)):
            gains = [
                np.mean([gain(averager, *p) for p in zip(truths, restored[of, kind], strict=True)])
                for kind in options.kinds
            ]
            cells = " | ".join(f"{value:.2f}" for value in gains)
            print(f"| {spread:g} | {miss:g} | {blur:g} | {of} | {cells} |", flush=True)


def files(options, kind: str, suffixes) -> list[pathlib.Path]:
    folder = options.corpus / "train" / kind
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    if not found:
        raise SystemExit(f"{folder}: no {kind} there; give --corpus a fetched open corpus")
    return found


def read_clip(path: pathlib.Path, num_frames: int) -> list[np.ndarray]:
    kept: list[np.ndarray] = []
    with open_video(path) as video:
        for index, frame in enumerate(video):
            if len(kept) == num_frames:
                break
            if index % 2 == 0:
                image = Image.fromarray(frame)
                image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
                kept.append(np.asarray(image))
    return kept


def rendered(options) -> list[np.ndarray]:
    paths = files(options, "stills", STILL_SUFFIXES)

    def draw(rng: np.random.Generator) -> np.ndarray:
        with Image.open(paths[rng.integers(len(paths))]) as image:
            image.draft("RGB", (1024, 1024))
            picture = image.convert("RGB")
        picture.thumbnail((1024, 1024))
        return np.asarray(picture)

    duration = (options.frames - 1) / 4
    scene_options = SceneOptions(max_motion=16.0, duration=duration, max_layers=3)
    scenes = []
    for index in range(options.scenes):
        rng = np.random.default_rng([options.seed, index])
        scene = random_scene(rng, draw, height=192, width=256, options=scene_options)
        scenes.append(scene.render((np.arange(options.frames) / 4).tolist()))
    return scenes


def restore(model, truth, kind) -> list[GifFrame]:
    """The frames of the truth's GIF, each restored by itself."""
    dequantizer = Dequantizer(model.dequantizer)

    def clean(frame, gif):
        return Clean(dequantizer(frame, gif), dequantizer.mender(frame))

    frames = [GifFrame(f, f.rgb, clean) for f in make_gif(list(truth), kind)[0]]
    for frame in frames:
        assert frame.clean is not None  # now, in order
    return frames


def gain(averager: Averager, truth, frames: list[GifFrame]) -> float:
    averaged = averager(frames, lambda first, second: False)
    gains = [
        psnr(after.clean, wanted) - psnr(before.clean, wanted)
        for after, before, wanted in zip(averaged, frames, truth, strict=True)
    ]
    return float(np.mean(gains))


if __name__ == "__main__":
    main()
