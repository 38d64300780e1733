"""The demonstration behind `make demo`: restores the bundled sample and measures what was gained.

    python -m gif2video_jax.evaluation.demo --samples data/samples --output out

writes demo.mp4, the video that anybody would get, and demo.png, rows of frames beside the truth.
The figures are of the frames in that video, what the encoder lost included, in two parts: frames
that the GIF has, and frames between them. The last few frames, which lead back to the first one in
a loop, have no truth.
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.errors import InputError
from gif2video_jax.evaluation import pictures
from gif2video_jax.evaluation.metrics import ClipScore, score_clip
from gif2video_jax.gifs.reader import read_gif
from gif2video_jax.media import open_video

Picture = UInt8[np.ndarray, "h w 3"]

KEPT_EVERY = 4  # GIF frame k is frame 4 k of the clip; see data/samples/README.md
_ROWS = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demonstration; returns the exit code."""
    parser = argparse.ArgumentParser(description="Restores the bundled sample.")
    parser.add_argument("--samples", type=pathlib.Path, default=pathlib.Path("data/samples"))
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("out"))
    options = parser.parse_args(arguments)
    try:
        print(run(options.samples, options.output))
    except InputError as error:
        print(f"demo: error: {error}", file=sys.stderr)
        return 1
    return 0


def run(
    samples: pathlib.Path,
    output: pathlib.Path,
    weights: pathlib.Path | None = None,
    *,
    average: bool = True,
) -> str:
    """Restores the sample into a folder and returns the table of figures.

    Args:
      samples: the folder with bunny.gif and bunny.mp4.
      output: a folder, made if it is missing; demo.mp4 and demo.png in it are replaced.
      weights: a folder of weights; None takes the bundled model.
      average: see `RestoreOptions`.

    Raises:
      InputError: a file cannot be read or written, or there is no model.
    """
    from gif2video_jax.restoring.options import RestoreOptions
    from gif2video_jax.restoring.restore import restore_file

    output.mkdir(parents=True, exist_ok=True)
    source, video = samples / "bunny.gif", output / "demo.mp4"
    options = RestoreOptions(overwrite=True, weights=weights, average=average)
    report = restore_file(source, video, options)
    with open_video(samples / "bunny.mp4") as clip, open_video(video) as made:
        truth, restored = list(clip), list(made)
    gif = [frame.rgb for frame in read_gif(source).frames]
    if len(restored) != len(truth):
        raise InputError(f"{source}: {len(restored)} frames restored, the clip has {len(truth)}")
    picture = output / "demo.png"
    pictures.write_png(picture, picture_of(gif, restored, truth))
    return f"{report.summary}\n{picture}: frames beside the truth\n\n" + table(gif, restored, truth)


def table(gif: Sequence[Picture], restored: Sequence[Picture], truth: Sequence[Picture]) -> str:
    """PSNR and SSIM of GIF, blending and restored video, on key frames and on frames between."""
    last = KEPT_EVERY * (len(gif) - 1)
    keys = range(0, last + 1, KEPT_EVERY)
    between = [index for index in range(last) if index % KEPT_EVERY]

    def score(frames: Sequence[Picture], indices: Sequence[int]) -> ClipScore:
        return score_clip(frames, [truth[index] for index in indices])

    held = [gif[index // KEPT_EVERY] for index in between]
    rows = [
        ("frames of the GIF", "GIF", score(gif, keys)),
        ("", "restored", score([restored[index] for index in keys], keys)),
        ("frames between", "GIF, repeated", score(held, between)),
        ("", "GIF, blended", score([blend(gif, index) for index in between], between)),
        ("", "restored", score([restored[index] for index in between], between)),
    ]
    lines = [f"{'mean over':18} {'':14} {'PSNR':>8} {'SSIM':>6}"]
    for part, name, result in rows:
        lines.append(f"{part:18} {name:14} {result.psnr:5.2f} dB {result.ssim:6.3f}")
    return "\n".join(lines)


def blend(gif: Sequence[Picture], index: int) -> Picture:
    """The GIF's two frames around clip frame `index`, mixed by their distance in time."""
    before, rest = divmod(index, KEPT_EVERY)
    weight = rest / KEPT_EVERY
    mixed = (1 - weight) * gif[before].astype(np.float32) + weight * gif[before + 1]
    return np.round(mixed).astype(np.uint8)


def picture_of(
    gif: Sequence[Picture], restored: Sequence[Picture], truth: Sequence[Picture]
) -> pictures.Page:
    """Rows of GIF frame, restored frame, truth, a frame made in between, and its truth."""
    rows = []
    for k in pictures.evenly_spaced(len(gif) - 1, _ROWS):
        key, half = KEPT_EVERY * k, KEPT_EVERY * k + KEPT_EVERY // 2
        rows.append((gif[k], restored[key], truth[key], restored[half], truth[half]))
    titles = ("GIF frame", "restored", "truth", "made in between", "truth in between")
    return pictures.sheet(rows, titles)


if __name__ == "__main__":
    sys.exit(main())
