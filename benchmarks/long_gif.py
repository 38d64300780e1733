"""Memory of a long GIF: 1,000 frames of 640x480, restored in a process of its own.

    python benchmarks/long_gif.py [--frames 1000] [--size 640x480] [--multiplier 2] [--seed 0]

The frames are one picture of the bundled sample with a smaller one that wanders over it, 32
colours, Floyd-Steinberg, so that a part of each frame moves and the rest does not. Prints seconds,
frames a second and peak memory, and fails above --limit megabytes.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

from gif2video_jax.gifs.maker import apply_palette, make_palette, write_gif
from gif2video_jax.media import open_video

ROOT = pathlib.Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--size", default="640x480", help="WIDTHxHEIGHT, pixels")
    parser.add_argument("--multiplier", type=int, default=2, help="output frames a GIF frame")
    parser.add_argument("--seed", type=int, default=0, help="of the path that the picture takes")
    parser.add_argument("--limit", type=float, default=2048, help="largest peak memory, MB")
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        gif = pathlib.Path(folder, "long.gif")
        make_gif(gif, options.frames, width, height, options.seed)
        command = [
            *(sys.executable, "-m", "gif2video_jax.cli", "restore", str(gif), "-q"),
            *("--dequantize", "on", "--multiplier", str(options.multiplier)),
            *("-o", str(pathlib.Path(folder, "long.mp4"))),
        ]
        before = time.perf_counter()
        process = subprocess.Popen(command)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - before
        if status:
            raise SystemExit(f"{' '.join(command)}: failed")
        peak = usage.ru_maxrss / 1024
    rate = options.frames * options.multiplier / seconds
    print(
        f"{options.frames} frames of {width}x{height}: {seconds:.0f} s, "
        f"{rate:.1f} output frames a second, peak {peak:.0f} MB"
    )
    if peak > options.limit:
        raise SystemExit(f"peak memory: expected {options.limit:.0f} MB or less")


def make_gif(path: pathlib.Path, frames: int, width: int, height: int, seed: int) -> None:
    """Writes the GIF; one palette for all frames."""
    with open_video(ROOT / "data" / "samples" / "bunny.mp4") as clip:
        first = Image.fromarray(next(iter(clip)))
    scene = np.asarray(first.resize((width, height)))
    small = np.asarray(first.resize((width // 5, height // 5)))
    palette = make_palette(scene[None], 32, "median_cut")
    rng = np.random.default_rng(seed)
    place = np.array([height, width]) / 3
    speed = rng.uniform(2, 6, 2)
    room = np.array([height - small.shape[0], width - small.shape[1]])

    def images():
        nonlocal place, speed
        for _ in range(frames):
            place = place + speed
            speed = np.where((place < 0) | (place > room), -speed, speed)
            place = np.clip(place, 0, room)
            top, left = place.astype(int)
            frame = scene.copy()
            frame[top : top + small.shape[0], left : left + small.shape[1]] = small
            yield apply_palette(frame, palette, "floyd_steinberg"), palette

    write_gif(path, list(images()), [50] * frames)


if __name__ == "__main__":
    main()
