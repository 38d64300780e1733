"""How often the decision to restore colours, and the guess of the dithering, are right.

    python benchmarks/decide.py [--images FOLDER ...] [--art FOLDER ...]

Two tables, of made cases:

1. Should colours be restored? Yes for photographs and a rendered film, reduced to 16 to 256
   colours by every quantiser and dither; no for pixel art, line art, charts, screens and smooth
   shades (`gif2video_jax.evaluation.drawings`), whose colours were never reduced.
2. How was it dithered? The same photographs.

Photographs are scikit-image's and the sample's (needs the extra [test]); `--images` takes them from
other folders (pictures of more than 256 colours), `--art` adds pictures that have at most 256
colours in truth. The weights in gif2video_jax/restoring/decide.py were fitted on neither.
"""

import argparse
import collections
import itertools
import math
import pathlib
import tempfile
from collections.abc import Iterator

import numpy as np
from PIL import Image

from gif2video_jax.evaluation import drawings
from gif2video_jax.gifs import dithering, maker
from gif2video_jax.gifs.reader import Frame, read_gif
from gif2video_jax.media import open_video
from gif2video_jax.restoring import decide

Picture = np.ndarray

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
REDUCTIONS = [
    (num_colors, quantizer, dither)
    for (num_colors, quantizer), dither in zip(
        itertools.cycle(itertools.product((16, 32, 64, 128, 256), maker.QUANTIZERS)),
        2 * [dither for dither in maker.DITHERS if dither != "none"] + 8 * ["none"],
        strict=False,
    )
]
SEEDS = 12  # of each kind of drawing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=pathlib.Path, nargs="*", default=[], metavar="FOLDER")
    parser.add_argument("--art", type=pathlib.Path, nargs="*", default=[], metavar="FOLDER")
    parser.add_argument("--limit", type=int, default=200, help="pictures of each folder")
    options = parser.parse_args()
    decisions: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    guesses: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    mistakes = []
    for kind, name, picture in photographs(options):
        for num_colors, quantizer, dither in REDUCTIONS[hash_of(name) % 3 :: 3]:
            frame = gif_frame(picture, num_colors, quantizer, dither)
            reduced, reason = decide.should_dequantize([frame])
            decisions[kind]["restored" if reduced else "left alone"] += 1
            guesses[dither][dithering.guess_dithering(frame)[0]] += 1
            if not reduced:
                mistakes.append(f"{name}, {num_colors} {quantizer} {dither}: {reason}")
    for kind, name, picture in art(options):
        reduced, reason = decide.should_dequantize([gif_frame(picture, 256, "median_cut", "none")])
        decisions[kind]["restored" if reduced else "left alone"] += 1
        if reduced:
            mistakes.append(f"{name}: {reason}")
    print_table("should colours be restored?", decisions, ("restored", "left alone"))
    print_table("how was it dithered?", guesses, dithering.DITHER_KINDS)
    print("\nmistakes in the first table:", *mistakes, sep="\n  ")


def hash_of(name: str) -> int:
    return sum(name.encode())


def gif_frame(picture: Picture, num_colors: int, quantizer: str, dither: str) -> Frame:
    with tempfile.NamedTemporaryFile(suffix=".gif") as file:
        maker.make_gif(
            [picture], file.name, rate=10, num_colors=num_colors, quantizer=quantizer,
            dither=dither, overwrite=True,
        )
        return read_gif(file.name).frames[0]


def photographs(options: argparse.Namespace) -> Iterator[tuple[str, str, Picture]]:
    """Kind, name and picture: photographs at two sizes each, and frames of the film."""
    from skimage import data

    for name in ("astronaut", "chelsea", "coffee", "rocket", "immunohistochemistry"):
        picture = Image.fromarray(getattr(data, name)())
        for width in (160, 360):
            yield "photographs", f"{name} {width}", resized(picture, width)
    with open_video(pathlib.Path(__file__).parent.parent / "data/samples/bunny.mp4") as clip:
        for index, frame in enumerate(clip):
            if index % 13 == 0:
                yield "rendered film", f"bunny {index}", frame
    for folder in options.images:
        for path, picture in pictures_in(folder, options.limit):
            small = resized(picture, 240)
            if len(np.unique(small.reshape(-1, 3), axis=0)) > 256:
                yield str(folder), str(path), small


def art(options: argparse.Namespace) -> Iterator[tuple[str, str, Picture]]:
    """Kind, name and picture: drawings of at most 256 colours."""
    for kind, draw in drawings.DRAWINGS.items():
        for seed in range(SEEDS):
            yield kind, f"{kind} {seed}", draw(np.random.default_rng(seed))
    for folder in options.art:
        for path, picture in pictures_in(folder, options.limit):
            pixels = np.asarray(picture)[:400, :500]
            if min(pixels.shape[:2]) >= 32:
                if 3 <= len(np.unique(pixels.reshape(-1, 3), axis=0)) <= 256:
                    yield str(folder), str(path), pixels


def pictures_in(folder: pathlib.Path, limit: int) -> Iterator[tuple[pathlib.Path, Image.Image]]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    for path in paths[:: max(1, len(paths) // limit)]:
        try:
            picture = Image.open(path).convert("RGBA")
        except (OSError, Image.DecompressionBombError):
            continue
        page = Image.new("RGBA", picture.size, "white")
        page.alpha_composite(picture)
        yield path, page.convert("RGB")


def resized(picture: Image.Image, width: int) -> Picture:
    height = max(1, round(picture.height * width / picture.width))
    return np.asarray(picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))


def print_table(title: str, rows: dict[str, collections.Counter], columns: tuple[str, ...]) -> None:
    width = max(map(len, rows)) + 2
    print(f"\n{title}\n{'':{width}}" + "".join(f"{column:>18}" for column in columns))
    for name, counts in rows.items():
        total = sum(counts.values())
        cells = [f"{counts[column]} ({math.floor(100 * counts[column] / total + 0.5)}%)"
                 for column in columns]
        print(f"{name:{width}}" + "".join(f"{cell:>18}" for cell in cells))


if __name__ == "__main__":
    main()
