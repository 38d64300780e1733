"""Puts a caption on the sample and takes it off again: the picture of docs/inpainting.md.

    python -m gif2video_jax.evaluation.caption_demo [--samples data/samples] [--output out/caption]

Writes captioned.gif, mask.png, what `gif2video restore captioned.gif --inpaint-mask mask.png` and
`gif2video inpaint captioned.gif --mask mask.png` make of them, and caption.png, which shows frames.
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gif2video_jax import cli
from gif2video_jax.errors import InputError
from gif2video_jax.evaluation import pictures
from gif2video_jax.gifs.maker import make_gif
from gif2video_jax.media import open_video

_TEXT = "WHEN YOU FIND THE MASK"
_KEEP_EVERY = 4
_RATE = Fraction(25)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: 0 done, 1 bad input."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--samples", type=pathlib.Path, default=pathlib.Path("data/samples"))
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("out/caption"))
    parser.add_argument("--weights", help="a folder of weights instead of the bundled model")
    options = parser.parse_args(arguments)
    try:
        return _run(options.samples, options.output, options.weights)
    except InputError as error:
        print(f"caption_demo: error: {error}", file=sys.stderr)
        return 1


def _run(samples: pathlib.Path, output: pathlib.Path, weights: str | None) -> int:
    output.mkdir(parents=True, exist_ok=True)
    with open_video(samples / "bunny.mp4") as video:
        truth = list(video)[::_KEEP_EVERY]
    height, width = truth[0].shape[:2]
    letters, outline = _caption(width, height)
    captioned = [np.where(letters[..., None], np.uint8(255), frame) for frame in truth]
    captioned = [np.where(outline[..., None], np.uint8(0), frame) for frame in captioned]
    Image.fromarray(letters | outline).save(output / "mask.png")
    gif = output / "captioned.gif"
    make_gif(captioned, gif, rate=_RATE / _KEEP_EVERY, num_colors=64, overwrite=True)
    more = ["--overwrite", "-q"] + (["--weights", weights] if weights else [])
    mask, frames = str(output / "mask.png"), f"{output / 'restored'}/"
    restored = ["restore", str(gif), "--inpaint-mask", mask, "--no-interpolate", "-o", frames]
    filled = f"{output / 'filled'}/"
    for command in (restored, ["inpaint", str(gif), "--mask", mask, "-o", filled]):
        code = cli.main([*command, *more])
        if code:
            return code
    shown = []
    with open_video(gif) as one, open_video(filled) as two, open_video(frames) as three:
        both = list(zip(one, two, three, truth, strict=False))
    for number in (2, len(both) - 3):
        shown.append(list(both[number]))
    titles = ["GIF with a caption", "inpaint", "restore --inpaint-mask", "truth"]
    pictures.write_png(output / "caption.png", pictures.sheet(shown, titles))
    print(output / "caption.png")
    return 0


def _caption(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the letters, and of the dark outline around them."""
    font = ImageFont.load_default(max(8, width // 17))
    place = (width / 2, 0.86 * height)

    def draw(stroke: int) -> np.ndarray:
        image = Image.new("L", (width, height))
        ImageDraw.Draw(image).text(
            place, _TEXT, fill=255, font=font, anchor="mm", stroke_width=stroke
        )
        return np.asarray(image) > 0

    letters = draw(0)
    return letters, draw(2) & ~letters


if __name__ == "__main__":
    sys.exit(main())
