"""How often the decision to restore colours, and the guess of the dithering, are right.

    python benchmarks/decide.py [--images FOLDER ...] [--art FOLDER ...]

Two tables, of made cases:

1. Should colours be restored? Yes for photographs and a rendered film, reduced to 16 to 256
   colours by every quantiser and dither; no for pixel art, line art, charts and screens, drawn
   here, whose colours were never reduced.
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
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont

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
    for kind, draw in DRAWINGS.items():
        for seed in range(SEEDS):
            picture = draw(np.random.default_rng(seed))
            if len(np.unique(picture.reshape(-1, 3), axis=0)) <= 256:
                yield kind, f"{kind} {seed}", picture
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


def pixel_art(rng: np.random.Generator) -> Picture:
    """Tiles of symmetric creatures on a ground of shaded bricks, at their own size."""
    ground = rng.integers(40, 200, 3)
    shades = np.clip(ground + np.array([-25, -10, 0, 12])[:, None], 0, 255)
    page = shades[rng.choice(4, (96, 128), p=[0.1, 0.15, 0.6, 0.15])].astype(np.uint8)
    page[::8], page[:, ::16] = shades[0], shades[0]
    for y, x in itertools.product(range(8, 80, 24), range(8, 112, 24)):
        if rng.random() < 0.6:
            ramp = rng.integers(0, 256, (4, 3))
            half = rng.choice(5, (16, 8), p=[0.4, 0.15, 0.15, 0.15, 0.15])
            sprite = np.concatenate([half, half[:, ::-1]], axis=1)
            spot = page[y : y + 16, x : x + 16]
            spot[sprite > 0] = ramp[sprite[sprite > 0] - 1]
    return page


def enlarged_pixel_art(rng: np.random.Generator) -> Picture:
    scale = int(rng.integers(2, 6))
    return pixel_art(rng).repeat(scale, axis=0).repeat(scale, axis=1)


def line_art(rng: np.random.Generator, smooth: bool = True) -> Picture:
    """Curves in a few inks, some shapes filled; edges in between shades unless told otherwise."""
    factor = 4 if smooth else 1
    page = Image.new("RGB", (280 * factor, 200 * factor), tuple(rng.integers(230, 256, 3)))
    draw = ImageDraw.Draw(page)
    for _ in range(int(rng.integers(6, 16))):
        start, phase = rng.random(2) * [280, 200] * factor, rng.random(4) * 6
        t = np.linspace(0, 3, 200)
        x = start[0] + factor * 60 * (np.sin(t + phase[0]) + 0.4 * np.sin(3 * t + phase[1]))
        y = start[1] + factor * 50 * (np.sin(t + phase[2]) + 0.4 * np.sin(2 * t + phase[3]))
        curve = list(zip(x, y, strict=True))
        ink = (20, 20, 20)
        if rng.random() < 0.4:
            draw.polygon(curve, tuple(rng.integers(0, 256, 3)))
        draw.line(curve, ink, int(rng.integers(1, 4)) * factor)
    small = page.resize((280, 200), Image.Resampling.BOX) if smooth else page
    return few_shades(small)


def hard_line_art(rng: np.random.Generator) -> Picture:
    return line_art(rng, smooth=False)


def screen(rng: np.random.Generator) -> Picture:
    """A window: title bar, menu, lines of text with smooth letters, buttons."""
    dark = rng.random() < 0.4
    ground, ink = ((30, 32, 36), (220, 220, 220)) if dark else ((255, 255, 255), (20, 20, 20))
    accent = tuple(int(value) for value in rng.integers(20, 220, 3))
    page = Image.new("RGB", (320, 220), ground)
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, 320, 18), accent)
    draw.text((6, 2), "Untitled - Editor", (255, 255, 255), ImageFont.load_default(12))
    draw.rectangle((0, 18, 320, 34), (200, 200, 200))
    letters = np.array(list("etaoin shrdlu cmfwyp vbgkjqxz (){};=+"))
    for line in range(int(rng.integers(4, 11))):
        text = "".join(rng.choice(letters, int(rng.integers(5, 40))))
        color = ink if rng.random() < 0.7 else accent
        draw.text((8, 40 + 15 * line), text, color, ImageFont.load_default(12))
    draw.rounded_rectangle((240, 190, 310, 212), 6, accent)
    draw.text((258, 194), "Save", (255, 255, 255), ImageFont.load_default(12))
    return few_shades(page)


def chart(rng: np.random.Generator) -> Picture:
    """Bars or smooth lines over a grid, with axes and a legend."""
    page = Image.new("RGB", (1200, 800), (255, 255, 255))
    draw = ImageDraw.Draw(page)
    for y in range(80, 700, 120):
        draw.line((120, y, 1160, y), (210, 210, 210), 4)
    series = int(rng.integers(2, 5))
    for number in range(series):
        color = tuple(int(value) for value in rng.integers(0, 230, 3))
        values = 680 - 600 * rng.random(8)
        if rng.random() < 0.5:
            xs = np.linspace(140, 1140, 8)
            draw.line(list(zip(xs, values, strict=True)), color, 10, joint="curve")
        else:
            for index, value in enumerate(values):
                left = 140 + 128 * index + 100 * number // series
                draw.rectangle((left, value, left + 90 // series, 700), color)
        draw.rectangle((900, 30 + 40 * number, 930, 55 + 40 * number), color)
        draw.text((945, 22 + 40 * number), f"series {number}", (40, 40, 40),
                  ImageFont.load_default(34))
    draw.line((120, 60, 120, 700, 1160, 700), (60, 60, 60), 6, joint="curve")
    small = page.resize((300, 200), Image.Resampling.BOX)
    return few_shades(small)


def few_shades(page: Image.Image) -> Picture:
    """Merges the shades of smooth edges that differ least, until a GIF can hold them all."""
    return np.asarray(page.quantize(200, dither=Image.Dither.NONE).convert("RGB"))


DRAWINGS: dict[str, Callable[[np.random.Generator], Picture]] = {
    "pixel art": pixel_art,
    "enlarged pixel art": enlarged_pixel_art,
    "line art, smooth": line_art,
    "line art, hard": hard_line_art,
    "screens": screen,
    "charts": chart,
}


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
