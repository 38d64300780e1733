"""How often the decision to restore colours, and the guess of the dithering, are right.

    python benchmarks/decide.py [--images FOLDER ...] [--art FOLDER ...] [--seed N] [--json FILE]

Three tables, of made cases; the latter two by the statistics alone and with the classifier:

1. Should colours be restored? Yes for photographs and a rendered film, reduced to 8 to 256 colours
   by every quantiser and dither, and for screens with such a photograph in a corner, dithered to
   32 to 128 colours ("for a part": because the classifier is sure of one); no for pixel art, line
   art, charts, screens and smooth shades (`gif2video_jax.evaluation.drawings`), whose colours were
   never reduced.
2. How was it dithered? Both; a dither that an artist drew by hand counts as none.
3. The same of each dither.

Photographs are scikit-image's and the sample's (needs the extra [test]), or those of `--images`
(pictures of more than 256 colours); `--art` adds pictures that have at most 256 colours in truth.
Each photograph is dithered every way with each number of colours, by a quantiser that the seed
draws; without dither, by every quantiser. The weights in gif2video_jax/restoring/decide.py were
fitted on none of these, and the dither classifier was trained on none.
"""

import argparse
import collections
import itertools
import json
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
NUM_COLORS = (8, 16, 32, 64, 128, 256)
PAGE_COLORS = (32, 64, 128)
PAGE_DITHERS = ("floyd_steinberg", "sierra2_4a")
PAGE_SHARE = 0.4  # of the screen's width, that the photograph has
SEEDS = 12  # of each kind of drawing
METHODS = ("statistics", "classifier")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=pathlib.Path, nargs="*", default=[], metavar="FOLDER")
    parser.add_argument("--art", type=pathlib.Path, nargs="*", default=[], metavar="FOLDER")
    parser.add_argument("--limit", type=int, default=200, help="pictures of each folder")
    parser.add_argument("--draws", type=int, default=SEEDS, help="pictures of each drawing")
    parser.add_argument("--width", type=int, default=240, help="of the pictures of --images")
    parser.add_argument("--seed", type=int, default=0, help="of quantisers, sizes and drawings")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="all cases, as well")
    options = parser.parse_args()
    cases = []
    for kind, name, picture in photographs(options):
        rng = np.random.default_rng([options.seed, hash_of(name)])
        for reduction in reductions(rng):
            frame = gif_frame(picture, *reduction)
            case = {"kind": kind, "name": name, "reduction": reduction, "reduced": True}
            cases.append(case | judged(frame) | {"dither": kind_of(reduction[2])})
    for name, picture in screens_with_photographs(options):
        for reduction in itertools.product(PAGE_COLORS, ("palettegen",), PAGE_DITHERS):
            frame = gif_frame(picture, *reduction)
            case = {"kind": "screens with one", "name": name, "reduction": reduction}
            cases.append(case | {"decision": decide.should_dequantize([frame]), "reduced": True})
    for kind, name, picture in art(options):
        frame = gif_frame(picture, 256, "median_cut", "none")
        case = {"kind": kind, "name": name, "reduction": (256, "median_cut", "none")}
        cases.append(case | judged(frame) | {"reduced": False, "dither": "none"})
    print_tables(cases)
    if options.json:
        options.json.write_text(json.dumps(cases))


def judged(frame: Frame) -> dict:
    """What both methods say of a frame, and how sure they are of its dither."""
    guesses = {
        "statistics": dithering.guess_by_statistics(frame),
        "classifier": dithering.guess_dithering(frame),
    }
    return {"guesses": guesses, "decision": decide.should_dequantize([frame])}


def print_tables(cases: list[dict]) -> None:
    """The three tables, and what was restored or left alone wrongly."""
    rows: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    for case in cases:
        reduced, reason = case["decision"]
        restored = "for a part" if reason.startswith("a part") else "restored"
        rows[case["kind"]][restored if reduced else "left alone"] += 1
    print_table("should colours be restored?", rows, ("restored", "for a part", "left alone"))
    guessed = [case for case in cases if "guesses" in case]
    for title, row_of in (
        ("how was it dithered?", lambda case: case["dither"]),
        ("how was it dithered?", lambda case: case["reduction"][2]),
    ):
        for method in METHODS:
            rows = collections.defaultdict(collections.Counter)
            for case in guessed:
                what = row_of(case) if case["reduced"] else "drawings (none)"
                rows[what][case["guesses"][method][0]] += 1
            print_table(f"{title} ({method})", rows, dithering.DITHER_KINDS)
    for method in METHODS:
        right = [case["guesses"][method][0] == case["dither"] for case in guessed]
        print(f"\n{method}: of {len(guessed)} GIFs the dither is right in {np.mean(right):.1%}")
        sure = np.array([case["guesses"][method][1] for case in guessed])
        for low in (0.5, 0.8, 0.95):
            chosen = np.array(right)[sure >= low]
            print(f"  sure by {low} or more: {chosen.size}, right in {chosen.mean():.1%}")
    print("\nmistakes of the decision:")
    for case in cases:
        decided, reason = case["decision"]
        if decided != case["reduced"]:
            print(f"  {case['name']} {case['reduction']}: {reason}")


def kind_of(dither: str) -> str:
    if dither == "none":
        return "none"
    return "ordered" if dither.startswith("bayer") else "error diffusion"


def reductions(rng: np.random.Generator) -> Iterator[tuple[int, str, str]]:
    """Numbers of colours, quantisers and dithers for one picture."""
    for num_colors, dither in itertools.product(NUM_COLORS, maker.DITHERS):
        drawn = str(rng.choice(maker.QUANTIZERS))
        for quantizer in maker.QUANTIZERS if dither == "none" else (drawn,):
            yield num_colors, quantizer, dither


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
    for folder in options.images:
        for path, picture in pictures_in(folder, options.limit):
            small = resized(picture, options.width)
            if len(np.unique(small.reshape(-1, 3), axis=0)) > 256:
                yield "photographs", path.name, small
    if options.images:
        return
    from skimage import data

    for name in ("astronaut", "chelsea", "coffee", "rocket", "immunohistochemistry"):
        picture = Image.fromarray(getattr(data, name)())
        for width in (160, 360):
            yield "photographs", f"{name} {width}", resized(picture, width)
    with open_video(pathlib.Path(__file__).parent.parent / "data/samples/bunny.mp4") as clip:
        for index, frame in enumerate(clip):
            if index % 13 == 0:
                yield "rendered film", f"bunny {index}", frame


def screens_with_photographs(options: argparse.Namespace) -> Iterator[tuple[str, Picture]]:
    """Windows full of text with a photograph in the lower right corner."""
    for kind, name, picture in photographs(options):
        if kind == "photographs":
            page = drawings.screen(np.random.default_rng([options.seed, hash_of(name)])).copy()
            small = resized(Image.fromarray(np.asarray(picture)), int(PAGE_SHARE * page.shape[1]))
            small = small[: page.shape[0] // 2]
            page[-small.shape[0] :, -small.shape[1] :] = small
            yield name, page


def art(options: argparse.Namespace) -> Iterator[tuple[str, str, Picture]]:
    """Kind, name and picture: drawings of at most 256 colours."""
    for kind, draw in drawings.DRAWINGS.items():
        for seed in range(options.draws):
            yield kind, f"{kind} {seed}", draw(np.random.default_rng(options.seed * SEEDS + seed))
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
