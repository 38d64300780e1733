"""Turns videos into the examples of the data sets: chunks of a few consecutive frames.

A chunk holds each frame's truth as a JPEG and, unless only the truth is wanted, its GIF: palette
indices as a grey PNG, and the palette with its count of colours. The GIF is made from the truth as
the JPEG decodes, since that is what training compares with. Nothing here needs TFDS.
"""

import dataclasses
import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from gif2video_jax.datasets.pictures import load_still
from gif2video_jax.errors import InputError
from gif2video_jax.gifs.maker import DITHERS, QUANTIZERS, quantize
from gif2video_jax.media import open_video

CHUNK_FRAMES = 8
# OpenCV's defaults, with which the authors wrote their frames: quality 95, chroma 4:2:0.
JPEG_OPTIONS = {"quality": 95, "subsampling": "4:2:0"}

Chunk = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class GifRecipe:
    """How each frame is made a GIF frame, on its own.

    Attributes:
      num_colors: 2 to 256.
      quantizer: one of `gifs.maker.QUANTIZERS`.
      dither: one of `gifs.maker.DITHERS`.
    """

    num_colors: int = 32
    quantizer: str = "minimum_variance"
    dither: str = "none"

    @property
    def name(self) -> str:
        """Such as `g32_nodither`, `g32_dither` (the paper's), `g64_palettegen_bayer2`."""
        short = {"none": "nodither", "floyd_steinberg": "dither"}
        if self.quantizer == "minimum_variance" and self.dither in short:
            return f"g{self.num_colors}_{short[self.dither]}"
        return f"g{self.num_colors}_{self.quantizer}_{self.dither}"


def parse_recipe(name: str) -> GifRecipe | None:
    """The recipe that a configuration's name stands for; None for `frames`, truth only.

    Raises:
      InputError: if the name is none of `frames`, `gN_nodither`, `gN_dither` (minimum variance, as
        in the paper) and `gN_QUANTIZER_DITHER`.
    """
    if name == "frames":
        return None
    names = f"({'|'.join(QUANTIZERS)})_({'|'.join(DITHERS)})"
    if match := re.fullmatch(r"g(\d{1,3})_(no)?dither", name):
        dither = "none" if match[2] else "floyd_steinberg"
        recipe = GifRecipe(int(match[1]), "minimum_variance", dither)
    elif match := re.fullmatch(rf"g(\d{{1,3}})_{names}", name):
        recipe = GifRecipe(int(match[1]), match[2], match[3])
    else:
        raise InputError(
            f"{name}: no such configuration, expected frames, g32_nodither, g32_dither, or "
            f"gCOLORS_QUANTIZER_DITHER with a quantizer of {', '.join(QUANTIZERS)} and a dither of "
            f"{', '.join(DITHERS)}"
        )
    if not 2 <= recipe.num_colors <= 256:
        raise InputError(f"{name}: expected 2 to 256 colours, got {recipe.num_colors}")
    return recipe


@dataclasses.dataclass(frozen=True)
class VideoItem:
    """One video or still to be prepared.

    Attributes:
      id: unique in its split.
      path: of the file.
      bytes: its size, which decides how many videos share a shard.
      kind: "clip" or "still".
      box: what the preparation needs to know, such as a face's place.
      frames: how many are expected, or None.
      fields: further fields of each of its examples.
    """

    id: str
    path: str
    bytes: int
    kind: str = "clip"
    box: tuple[int, ...] = ()
    frames: int | None = None
    fields: tuple[tuple[str, Any], ...] = ()


Prepare = Callable[[UInt8[np.ndarray, "h w 3"], VideoItem], UInt8[np.ndarray, "h2 w2 3"]]


def as_it_is(frame: UInt8[np.ndarray, "h w 3"], item: VideoItem) -> UInt8[np.ndarray, "h w 3"]:
    """The preparation that changes nothing."""
    del item
    return frame


@dataclasses.dataclass(frozen=True)
class ClipRecipe:
    """How videos become chunks. Pickles, since workers get it.

    Attributes:
      gif: how to make GIF frames, or None for the truth alone.
      prepare: crops and scales a frame; a function of a module.
      chunk_frames: in each chunk but a video's last.
      jpeg: Pillow's options for the truth.
      max_side: of stills and of frames before `prepare`; None for as they are.
    """

    gif: GifRecipe | None = None
    prepare: Prepare = as_it_is
    chunk_frames: int = CHUNK_FRAMES
    jpeg: tuple[tuple[str, Any], ...] = tuple(JPEG_OPTIONS.items())
    max_side: int | None = None


def read_chunks(item: VideoItem, recipe: ClipRecipe) -> Iterator[Chunk]:
    """Yields a video's chunks: `video`, `start`, its `fields`, and a list `frames`.

    Raises:
      InputError: if the video does not decode to its end; chunks that came before are good.
    """
    frames: list[dict[str, Any]] = []
    start, broken = 0, None
    timed = _timed_frames(item, recipe)
    while True:
        try:
            time, frame = next(timed)
            frames.append(encode_frame(recipe.prepare(frame, item), time, recipe))
        except StopIteration:
            break
        except InputError as error:
            broken = error
            break
        if len(frames) == recipe.chunk_frames:
            yield {"video": item.id, "start": start, **dict(item.fields), "frames": frames}
            start, frames = start + len(frames), []
    if frames:
        yield {"video": item.id, "start": start, **dict(item.fields), "frames": frames}
        start += len(frames)
    if broken is not None:
        raise InputError(f"{broken}, after {start} frames" if start else str(broken))
    if start == 0:
        raise InputError(f"{item.path}: holds no frames")


def encode_frame(
    frame: UInt8[np.ndarray, "h w 3"], time: float, recipe: ClipRecipe
) -> dict[str, Any]:
    """Encodes a frame and its GIF: `image`, `time`, and `indices`, `palette`, `num_colors`."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", **dict(recipe.jpeg))
    encoded: dict[str, Any] = {"image": buffer.getvalue(), "time": np.float32(time)}
    if recipe.gif is not None:
        truth = decode_image(encoded["image"])
        gif = recipe.gif
        indices, palette = quantize(truth, gif.num_colors, gif.quantizer, gif.dither)
        png = io.BytesIO()
        Image.fromarray(indices).save(png, "PNG")
        encoded["indices"] = png.getvalue()
        encoded["palette"] = palette.colors
        encoded["num_colors"] = np.int32(palette.num_colors)
    return encoded


def decode_image(content: bytes) -> UInt8[np.ndarray, "..."]:
    """Decodes a JPEG to (h, w, 3), or a grey PNG to (h, w)."""
    return np.array(Image.open(io.BytesIO(content)))


def _timed_frames(
    item: VideoItem, recipe: ClipRecipe
) -> Iterator[tuple[float, UInt8[np.ndarray, "h w 3"]]]:
    if item.kind == "still":
        background = dict(item.fields).get("background", ())
        image = load_still(item.path, max_side=recipe.max_side, background=tuple(background))
        yield 0.0, np.asarray(image)
        return
    with open_video(item.path) as video:
        for time, frame in video.timed():
            if recipe.max_side is not None and max(frame.shape[:2]) > recipe.max_side:
                frame = np.asarray(_fit(frame, recipe.max_side))
            yield float(time), frame


def _fit(frame: np.ndarray, max_side: int) -> Image.Image:
    scale = max_side / max(frame.shape[:2])
    size = (max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale)))
    return Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
