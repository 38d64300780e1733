"""How well holes of single pictures are filled, beside OpenCV's inpainting.

    python benchmarks/fills.py --corpus FOLDER [--split train] [--kinds box_fixed strokes text]
        [--draws 1] [--seed 0] [--network FILE]

Random squares of a corpus' stills (see `gif2video_jax.datasets.open_corpus fetch`; any folder of
pictures serves), scaled to 128 pixels, with holes drawn as in training. Prints, for each kind of
hole, the mean L1 in holes in levels of 255 and the mean PSNR there. OpenCV's radius is 3. The
network is the bundled inpainter, or that of a file, with or without guidance.
"""

import argparse
import pathlib
import sys

import cv2
import jax
import numpy as np
from PIL import Image

from gif2video_jax.datasets.corpus_list import CorpusItem, read_corpus
from gif2video_jax.errors import InputError
from gif2video_jax.evaluation.inpainting import score
from gif2video_jax.ops.fill import fill_smoothly
from gif2video_jax.ops.line_fill import fill_along_lines
from gif2video_jax.pretrained import load_model, load_network
from gif2video_jax.restoring.inpaint import Inpainter
from gif2video_jax.training.masks import random_masks

SIZE = 128
KINDS = ("box_fixed", "strokes", "text")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", required=True, type=pathlib.Path, help="a folder")
    parser.add_argument("--split", choices=("train", "validation", "test"), default="train")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--draws", type=int, default=1, help="squares of each still")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--network", metavar="FILE", help="another than the bundled inpainter")
    options = parser.parse_args()
    try:
        network = load_network(options.network) if options.network else load_model().inpainter
        found = read_corpus(options.corpus)
    except InputError as error:
        sys.exit(f"fills: {error}")
    items = [item for item in found if item.kind == "still" and item.split == options.split]
    if not items or options.draws < 1:
        sys.exit(f"fills: expected stills of {options.split} in {options.corpus}, 1 draw or more")
    squares = [
        random_square(options.corpus, item, np.random.default_rng([options.seed, number, draw]))
        for number, item in enumerate(items)
        for draw in range(options.draws)
    ]
    fills = {
        "Telea": opencv(cv2.INPAINT_TELEA),
        "Navier-Stokes": opencv(cv2.INPAINT_NS),
        "harmonic": ours(fill_smoothly),
        "along lines": ours(fill_along_lines),
        "network": by(Inpainter(network, window=2)),
    }
    print(f"{len(squares)} squares; L1 / PSNR\n")
    print("| fill | " + " | ".join(options.kinds) + " |\n|---" + "|---" * len(options.kinds) + "|")
    for name, fill in fills.items():
        cells = [measured(fill, squares, kind, options.seed) for kind in options.kinds]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def random_square(folder: pathlib.Path, item: CorpusItem, rng: np.random.Generator) -> np.ndarray:
    """A square of 0.35 to 1 of a picture's short side, made small."""
    with Image.open(folder / item.path) as image:
        side = int(min(image.size) * rng.uniform(0.35, 1.0))
        left, top = (int(rng.integers(length - side + 1)) for length in image.size)
        box = (left, top, left + side, top + side)
        return np.asarray(image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.LANCZOS, box))


def opencv(flag: int):
    return lambda image, hole: cv2.inpaint(image, hole.astype(np.uint8), 3, flag)


def ours(function):
    compiled = jax.jit(function)

    def fill(image, hole):
        known = 1 - hole[None, ..., None].astype(np.float32)
        filled = np.asarray(compiled(image[None].astype(np.float32) / 127.5 - 1, known))[0]
        return np.clip(np.round((filled + 1) * 127.5), 0, 255).astype(np.uint8)

    return fill


def by(inpainter: Inpainter):
    return lambda image, hole: next(iter(inpainter.fill([image], [hole])))


def measured(fill, squares: list[np.ndarray], kind: str, seed: int) -> str:
    """Mean L1 and PSNR of one fill on one kind of hole."""
    scores = []
    for number, truth in enumerate(squares):
        rng = np.random.default_rng([seed, KINDS.index(kind), number])
        hole = random_masks(rng, 1, SIZE, SIZE, kind)[0]
        filled = fill(np.where(hole[..., None], np.uint8(0), truth), hole)
        # A flicker needs two frames: the same one twice has none.
        both = [np.stack([array] * 2) for array in (filled, truth, hole)]
        scores.append(score(*both))
    level = np.mean([one.l1 for one in scores])
    return f"{level:.2f} / {np.mean([min(one.psnr, 60.0) for one in scores]):.1f}"


if __name__ == "__main__":
    main()
