"""What it gains to move restored colours to where the GIF allows them (restoring/cells.py).

    python benchmarks/cells.py --images FOLDER [--kinds 256-palettegen-bayer2 ...] [--pictures 16]
        [--width 320] [--model default]

GIFs of each kind are made of FOLDER's pictures, taken evenly, and restored with and without. Prints
a Markdown table: the GIF's PSNR, the mean gain over it in dB both ways, the picture that loses most
by moving and the one that gains most, and the dithers that the restored colours agreed with.
"""

import argparse
import collections
import pathlib
import sys

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from gif2video_jax.datasets.corpus_list import STILL_SUFFIXES
from gif2video_jax.errors import InputError
from gif2video_jax.evaluation.benchmark.gif_kinds import GifKind, make_gif, parse_kind
from gif2video_jax.evaluation.metrics import psnr
from gif2video_jax.gifs.lossy import looks_lossy
from gif2video_jax.pretrained import Model, load_model
from gif2video_jax.restoring.cells import CellMover
from gif2video_jax.restoring.compilation import use_persistent_cache
from gif2video_jax.restoring.dequantize import Dequantizer

KINDS = (
    *("32-median_cut-none", "256-median_cut-none", "256-palettegen-none", "256-octree-none"),
    *(f"{n}-palettegen-bayer{s}" for s, n in enumerate((32, 64, 256, 256, 128, 256))),
    *("256-palettegen-sierra3", "256-palettegen-atkinson", "256-palettegen-sierra2_4a"),
    *("64-palettegen-sierra2_4a", "32-median_cut-floyd_steinberg"),
    *("256-median_cut-floyd_steinberg", "256-palettegen-none-20", "128-palettegen-bayer2-30"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", required=True, type=pathlib.Path, help="a folder")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS))
    parser.add_argument("--pictures", type=int, default=16, help="at most")
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--model", default="default", help="a bundled one, or a folder of weights")
    options = parser.parse_args()
    paths = [p for p in sorted(options.images.rglob("*")) if p.suffix.lower() in STILL_SUFFIXES]
    if not paths:
        sys.exit(f"cells: {options.images}: expected pictures, found none")
    use_persistent_cache()
    truths = [resized(p, options.width) for p in paths[:: -(-len(paths) // options.pictures)]]
    print("| GIF of | GIF | network | and moved | worst | best | taken for |")
    print("|---|---|---|---|---|---|---|")
    try:
        model = load_model(options.model)
        for name in options.kinds:
            print(row(truths, parse_kind(name), model), flush=True)
    except InputError as error:
        sys.exit(f"cells: {error}")


def row(truths: list[UInt8[np.ndarray, "h w 3"]], kind: GifKind, model: Model) -> str:
    """One kind of GIF."""
    found, taken = [], collections.Counter[str]()
    for truth in truths:
        (frame,), _ = make_gif([truth], kind)
        is_lossy = looks_lossy([frame])
        network = model.dequantizer_for(lossy=is_lossy)
        if network is None:
            raise InputError(f"{model.name}: has no dequantizer, so nothing to measure")
        dequantizer = Dequantizer(network, cells=False)
        alone = dequantizer(frame)
        mover = CellMover()
        moved = alone
        if not is_lossy:
            moved = mover(alone, frame.rgb, dequantizer.geometry_of(frame))
        taken["lossy" if is_lossy else mover.kind or "others"] += 1
        found.append([psnr(picture, truth) for picture in (frame.rgb, alone, moved)])
    gif, alone, moved = np.transpose(found)
    change = moved - alone
    kinds = ", ".join(f"{count} {name}" for name, count in taken.most_common())
    return (
        f"| {kind.title} | {gif.mean():.2f} | {(alone - gif).mean():+.2f} | "
        f"{(moved - gif).mean():+.2f} | {change.min():+.2f} | {change.max():+.2f} | {kinds} |"
    )


def resized(path: pathlib.Path, width: int) -> UInt8[np.ndarray, "h w 3"]:
    with Image.open(path) as image:
        height = max(1, round(image.height * width / image.width))
        return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))


if __name__ == "__main__":
    main()
