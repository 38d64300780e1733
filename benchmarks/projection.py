"""What it gains to move restored colours back into what an undithered GIF allows.

    python benchmarks/projection.py --corpus FOLDER [--kinds 32-median_cut-none ...]
        [--pictures 16] [--model default]

Without dithering each pixel of a GIF has the nearest colour of the palette, so the truth lies in
that colour's cell: nearer to it than to each other colour. A restored colour outside of the cell is
moved to its border, which cannot lead away from the truth. FOLDER is a fetched open corpus, of
whose validation stills, at 320 pixels, GIFs are made. Prints the mean gain over the GIF in dB
before and after, the share of pixels that are moved by more than a level, and of those whose truth
lies outside (none, or the GIF was not made so).
"""

import argparse
import pathlib

import numpy as np
from jaxtyping import Float, Int
from PIL import Image

from gif2video_jax.datasets.corpus_list import STILL_SUFFIXES
from gif2video_jax.evaluation.benchmark.gif_kinds import make_gif, parse_kind
from gif2video_jax.evaluation.metrics import psnr
from gif2video_jax.pretrained import load_model
from gif2video_jax.restoring.compilation import use_persistent_cache
from gif2video_jax.restoring.dequantize import Dequantizer
from gif2video_jax.restoring.gif_frame import GifFrame

SIDE = 320
KINDS = (
    "32-median_cut-none",
    "32-minimum_variance-none",
    "64-palettegen-none",
    "128-median_cut-none",
    "256-octree-none",
)
NEIGHBORS = 12  # nearest colours whose borders count
SWEEPS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", type=pathlib.Path, required=True, metavar="FOLDER")
    parser.add_argument("--kinds", nargs="+", default=KINDS, help="of GIF, without dithering")
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--model", default="default", help="a model's name or folder")
    options = parser.parse_args()
    use_persistent_cache()
    dequantizer = Dequantizer(load_model(options.model).dequantizer)
    folder = options.corpus / "validation" / "stills"
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in STILL_SUFFIXES)
    if not paths:
        raise SystemExit(f"{folder}: no stills there; give --corpus a fetched open corpus")
    print("| GIF of | restored | and moved back | pixels moved | truth outside |")
    print("|---|---|---|---|---|")
    for name in options.kinds:
        rows = [measure(dequantizer, path, name) for path in paths[: options.pictures]]
        before, after, moved, outside = np.mean(rows, axis=0)
        print(
            f"| {name} | {before:+.2f} | {after:+.2f} | {100 * moved:.1f} % | "
            f"{100 * outside:.2f} % |",
            flush=True,
        )


def measure(dequantizer: Dequantizer, path: pathlib.Path, kind: str) -> tuple[float, ...]:
    """Gain before and after, and the shares of moved pixels and of a truth outside."""
    with Image.open(path) as image:
        picture = image.convert("RGB")
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    truth = np.asarray(picture)
    frame = make_gif([truth], parse_kind(kind))[0][0]
    restored = GifFrame(frame, frame.rgb, dequantizer).clean[..., :3]
    gif = frame.rgb.reshape(-1, 3).astype(int)
    inside = projected(restored.reshape(-1, 3).astype(float), gif).reshape(truth.shape)
    true_inside = projected(truth.reshape(-1, 3).astype(float), gif).reshape(truth.shape)
    base = psnr(frame.rgb, truth)
    return (
        psnr(restored, truth) - base,
        psnr(np.round(inside).astype(np.uint8), truth) - base,
        float((np.abs(inside - restored).max(axis=-1) > 1).mean()),
        float((np.abs(true_inside - truth).max(axis=-1) > 1.5).mean()),
    )


def projected(
    colors: Float[np.ndarray, "n 3"], gif: Int[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n 3"]:
    """Each colour moved across the borders of its palette colour's cell, one after another."""
    palette, index = np.unique(gif, axis=0, return_inverse=True)
    index = index.reshape(-1)
    squared = np.square(palette[:, None] - palette).sum(axis=-1)
    nearest = np.argsort(squared, axis=1)[:, 1 : NEIGHBORS + 1]
    for _ in range(SWEEPS):
        for place in range(nearest.shape[1]):
            toward = (palette[nearest[:, place]] - palette)[index]
            length = np.square(toward).sum(axis=1)
            beyond = ((colors - gif) * toward).sum(axis=1) - length / 2
            colors = colors - (np.maximum(beyond, 0) / length)[:, None] * toward
    return np.clip(colors, 0, 255)


if __name__ == "__main__":
    main()
