"""What restoring gains on GIFs that gifsicle compressed lossily, as many sites serve them.

    python benchmarks/lossy.py --images FOLDER [--lossy 0 30 80 200]
        [--kinds 256-palettegen-none ...] [--width 320] [--model default]

GIFs of FOLDER's pictures are made by our maker, compressed by `gifsicle -O3 --lossy=N` (which must
be on the PATH), and restored. Prints a Markdown table: PSNR of the GIF and how much is gained, in
dB, means over the pictures, and how many GIFs were taken for lossy.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

import gif2video_jax
from gif2video_jax.datasets.corpus_list import STILL_SUFFIXES
from gif2video_jax.errors import InputError
from gif2video_jax.evaluation.benchmark.gif_kinds import parse_kind
from gif2video_jax.evaluation.metrics import psnr
from gif2video_jax.gifs.lossy import looks_lossy
from gif2video_jax.gifs.maker import make_gif
from gif2video_jax.gifs.reader import read_gif

KINDS = (
    "256-palettegen-sierra2_4a",
    "256-median_cut-none",
    "128-palettegen-bayer2",
    "64-median_cut-floyd_steinberg",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", required=True, type=pathlib.Path, help="a folder")
    parser.add_argument("--lossy", nargs="+", type=int, default=[0, 30, 80, 200])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS))
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--model", default="default", help="a bundled one, or a folder of weights")
    options = parser.parse_args()
    paths = [p for p in sorted(options.images.rglob("*")) if p.suffix.lower() in STILL_SUFFIXES]
    if not paths:
        sys.exit(f"lossy: {options.images}: expected pictures, found none")
    truths = [resized(path, options.width) for path in paths]
    print("| GIF of | lossy | GIF | gain | taken for lossy |\n|---|---|---|---|---|")
    try:
        for name in options.kinds:
            for lossy in options.lossy:
                print(row(truths, parse_kind(name), lossy, options.model), flush=True)
    except (InputError, FileNotFoundError) as error:
        sys.exit(f"lossy: {error}")


def row(truths: list[np.ndarray], kind, lossy: int, model: str) -> str:
    """One kind of GIF, compressed so far."""
    before, after, told = [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "lossy.gif")
        for truth in truths:
            make_gif(
                [truth], path, rate=10, num_colors=kind.num_colors, quantizer=kind.quantizer,
                dither=kind.dither, overwrite=True,
            )
            if lossy:
                subprocess.run(["gifsicle", "-b", "-O3", f"--lossy={lossy}", path], check=True)
            frames = read_gif(path).frames
            told += looks_lossy(frames)
            restored = gif2video_jax.restore(path, model=model, interpolate=False).frames[0]
            before.append(psnr(frames[0].rgb, truth))
            after.append(psnr(restored, truth))
    gain = np.mean(after) - np.mean(before)
    share = f"{told} of {len(truths)}"
    return f"| {kind.title} | {lossy} | {np.mean(before):.2f} | {gain:+.2f} | {share} |"


def resized(path: pathlib.Path, width: int) -> np.ndarray:
    with Image.open(path) as image:
        height = max(1, round(image.height * width / image.width))
        return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))


if __name__ == "__main__":
    main()
