"""Error and time of each quantiser and dither of the GIF maker, as Markdown tables.

    python benchmarks/gif_maker.py FOLDER --seed 0 --colors 32

FOLDER holds pictures (PNG, JPEG, WebP). Each is shrunk so that its short side is 256 pixels, and
a 256x256 crop is taken where the seed says. Times are CPU time, the best of three runs, averaged
over the pictures; the first picture is run once before, to warm up. The error is the PSNR of the
mean squared error over all pictures, in dB.
"""

import argparse
import os
import sys
import time
from pathlib import Path

# One thread: what a data worker has. To be set before NumPy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from gif2video_jax.gifs import maker  # noqa: E402

SIZE = 256
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


def load_crops(folder: Path, seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    crops = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        scale = SIZE / min(image.size)
        width, height = (max(SIZE, round(side * scale)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BOX)
        left, top = random.integers(width - SIZE + 1), random.integers(height - SIZE + 1)
        crops.append(np.asarray(image)[top : top + SIZE, left : left + SIZE])
    return crops


def timed(function, *arguments):
    """The function's result and its best CPU time of three, in milliseconds."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        result = function(*arguments)
        best = min(best, 1e3 * (time.process_time() - start))
    return result, best


def psnr(errors: list[float]) -> float:
    return 10 * np.log10(255**2 / np.mean(errors))


def measure(crops, num_colors: int):
    """PSNR of each (quantizer, dither), and the mean time of each quantizer and of each dither."""
    errors: dict[tuple[str, str], list[float]] = {}
    times: dict[str, list[float]] = {}
    for number, crop in enumerate([crops[0], *crops]):
        for quantizer in maker.QUANTIZERS:
            palette, duration = timed(maker.make_palette, crop[None], num_colors, quantizer)
            if number:  # The first round only warms up.
                times.setdefault(quantizer, []).append(duration)
            for dither in maker.DITHERS:
                indices, duration = timed(maker.apply_palette, crop, palette, dither)
                if not number:
                    continue
                times.setdefault(dither, []).append(duration)
                error = np.mean((palette.colors[indices].astype(float) - crop) ** 2)
                errors.setdefault((quantizer, dither), []).append(float(error))
    return (
        {key: psnr(values) for key, values in errors.items()},
        {key: float(np.mean(values)) for key, values in times.items()},
    )


def print_table(errors, times, num_colors: int) -> None:
    print(f"\n{num_colors} colours: PSNR in dB, and ms for a {SIZE}x{SIZE} picture\n")
    print("| dither | " + " | ".join(maker.QUANTIZERS) + " | ms |")
    print("|---|" + "---|" * (len(maker.QUANTIZERS) + 1))
    for dither in maker.DITHERS:
        row = [f"{errors[quantizer, dither]:.2f}" for quantizer in maker.QUANTIZERS]
        print(f"| {dither} | " + " | ".join(row) + f" | {times[dither]:.1f} |")
    row = [f"{times[quantizer]:.1f}" for quantizer in maker.QUANTIZERS]
    print("| **ms** | " + " | ".join(row) + " | |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="pictures to make GIFs of")
    parser.add_argument("--seed", type=int, default=0, help="places the crops")
    parser.add_argument("--colors", type=int, nargs="+", default=[32], help="2 to 256")
    arguments = parser.parse_args()
    crops = load_crops(arguments.folder, arguments.seed)
    if not crops:
        sys.exit(f"{arguments.folder}: no pictures ({', '.join(sorted(SUFFIXES))})")
    print(f"{len(crops)} pictures")
    for num_colors in arguments.colors:
        print_table(*measure(crops, num_colors), num_colors)


if __name__ == "__main__":
    main()
