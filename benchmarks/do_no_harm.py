"""Whether restoring leaves alone what has nothing to restore.

    python benchmarks/do_no_harm.py [FOLDER] [--weights FOLDER] [--seeds 3] [--keep FOLDER]

FOLDER holds GIFs, and pictures of at most 256 colours, which are made into GIFs without loss; none
of them should have had its colours reduced. Without FOLDER drawings of many kinds are made
(`gif2video_jax.evaluation.drawings`). Prints what each became; the exit code is 1 if any was
harmed: changed by more than 1/255 on average, or below 45 dB.
"""

import argparse
import pathlib
import sys
import tempfile
from collections.abc import Iterator

import numpy as np
from PIL import Image, UnidentifiedImageError

from gif2video_jax.errors import InputError
from gif2video_jax.evaluation.drawings import DRAWINGS
from gif2video_jax.evaluation.harm import Harm, measure_harm
from gif2video_jax.gifs.maker import quantize, write_gif

SUFFIXES = (".png", ".bmp", ".webp", ".tif", ".tiff")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, nargs="?")
    parser.add_argument("--model", default="default")
    parser.add_argument("--weights", type=pathlib.Path, help="a folder of weights instead")
    parser.add_argument("--seeds", type=int, default=3, help="drawings of each kind")
    parser.add_argument("--keep", type=pathlib.Path, help="leave the GIFs that were made here")
    options = parser.parse_args()
    print(f"{'GIF':34}{'change':>8}{'worst dB':>10}{'flat':>6}  decision")
    harmed = count = 0
    with tempfile.TemporaryDirectory() as temporary:
        made = options.keep or pathlib.Path(temporary)
        made.mkdir(parents=True, exist_ok=True)
        for path in gifs(options.folder, made, options.seeds):
            try:
                found = measure_harm(path, model=options.model, weights=options.weights)
            except InputError as error:
                print(f"{path.name:34}{error}")
                continue
            count += 1
            harmed += not found.unharmed
            print(line(found), flush=True)
    print(f"{harmed} of {count} harmed")
    return 1 if harmed or not count else 0


def line(found: Harm) -> str:
    mark = "" if found.unharmed else "HARMED "
    decision = ("restored" if found.dequantized else "left alone") + f": {found.reason}"
    return (
        f"{found.name[:32]:34}{found.change:8.3f}{found.psnr:10.1f}{found.flat_change:6}  "
        f"{mark}{decision}"
    )


def gifs(folder: pathlib.Path | None, made: pathlib.Path, seeds: int) -> Iterator[pathlib.Path]:
    """The GIFs to look at; those that have to be made are written to the folder `made`."""
    if folder is None:
        for kind, draw in DRAWINGS.items():
            for seed in range(seeds):
                path = made / f"{kind.replace(',', '').replace(' ', '-')}-{seed}.gif"
                yield gif_of(draw(np.random.default_rng(seed)), path)
        return
    if not folder.is_dir():
        sys.exit(f"{folder}: no such folder")
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() == ".gif":
            yield path
        elif path.suffix.lower() in SUFFIXES:
            try:
                with Image.open(path) as opened:
                    picture = opened.convert("RGB")
            except (OSError, UnidentifiedImageError) as error:
                print(f"{path.name:34}cannot be read: {error}")
                continue
            if picture.getcolors(256) is None:
                print(f"{path.name:34}passed over: more than 256 colours")
            else:
                yield gif_of(np.asarray(picture), made / f"{path.stem}.gif")


def gif_of(picture: np.ndarray, path: pathlib.Path) -> pathlib.Path:
    """Writes a picture of at most 256 colours as a GIF, without loss."""
    write_gif(path, [quantize(picture, 256, "median_cut", "none")], [100])
    return path


if __name__ == "__main__":
    sys.exit(main())
