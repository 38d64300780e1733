"""Makes GIFs: frames -> palettes and indices -> a file.

    frames --make_palette--> Palette --apply_palette--> indices --write_gif--> file

`quantize` does the first two for one image, `make_gif` everything for a stream of frames. Nothing
here needs JAX, so that workers that only build data don't load it; PyAV is needed for
`palettegen` and ffmpeg's error diffusions alone. `docs/gif-making.md` compares them all.
"""

import dataclasses
import functools
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import IO, Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from gif2video_jax.errors import InputError
from gif2video_jax.gifs import dithers, quantizers
from gif2video_jax.gifs.lossy import compress_lossily
from gif2video_jax.gifs.palette import MAX_COLORS, Palette
from gif2video_jax.gifs.pixel_sample import PixelSample
from gif2video_jax.gifs.writer import ByteSink, GifWriter, open_whole, write_gif

__all__ = [
    "DITHERS",
    "QUANTIZERS",
    "GifSummary",
    "apply_palette",
    "make_gif",
    "make_palette",
    "quantize",
    "write_gif",
]

_QUANTIZERS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "minimum_variance": quantizers.minimum_variance,
    "median_cut": quantizers.median_cut,
    "octree": quantizers.octree,
    "kmeans": quantizers.kmeans,
    "palettegen": quantizers.palettegen,
}
_PALETTEUSE = ("sierra2", "sierra2_4a", "sierra3", "burkes", "atkinson", "heckbert")
_DITHERS: dict[str, Callable[[np.ndarray, Palette], np.ndarray]] = {
    "none": dithers.nearest_indices,
    "floyd_steinberg": dithers.floyd_steinberg,
    **{f"bayer{scale}": functools.partial(dithers.bayer, scale=scale) for scale in range(6)},
    **{name: functools.partial(dithers.paletteuse, dither=name) for name in _PALETTEUSE},
}

QUANTIZERS = tuple(_QUANTIZERS)
DITHERS = tuple(_DITHERS)

MAX_FPS = 50  # Browsers show a delay below 20 ms as 100 ms.


def make_palette(
    images: UInt8[np.ndarray, "n h w 3"],
    num_colors: int = 32,
    quantizer: str = "median_cut",
    *,
    stride: int = 1,
) -> Palette:
    """Chooses at most `num_colors` distinct colours for the pixels of all images together.

    Images that hold no more colours than that get exactly those, whatever the quantiser.

    Args:
      images: RGB in [0, 255].
      num_colors: 2 to 256.
      quantizer: one of `QUANTIZERS`.
      stride: looks at every stride-th pixel of every stride-th row only, to save time. Images of
        few colours keep them all nevertheless.

    Raises:
      InputError: for a name that doesn't exist or a number of colours that can't be had.
      ValueError: for arrays of another shape or type.
    """
    images = np.asarray(images)
    _check_images(images, "(n, h, w, 3)")
    _check_quantizer(num_colors, quantizer)
    colors = quantizers.distinct_colors(images.reshape(-1, 3), at_most=num_colors)
    if colors is None:
        seen = images[:, ::stride, ::stride]
        colors = _QUANTIZERS[quantizer](seen.reshape(-1, *seen.shape[2:]), num_colors)
        # Two boxes' means may round to one colour: the first stays.
        _, first = np.unique(quantizers.color_codes(colors), return_index=True)
        colors = colors[np.sort(first)]
    return Palette.from_colors(colors)


def apply_palette(
    image: UInt8[np.ndarray, "h w 3"], palette: Palette, dither: str = "floyd_steinberg"
) -> UInt8[np.ndarray, "h w"]:
    """Maps each pixel to an index below `palette.num_colors`.

    Args:
      image: RGB in [0, 255].
      palette: the colours to map to.
      dither: one of `DITHERS`; `none` is the paper's f_C.

    Raises:
      InputError: for a name that doesn't exist.
      ValueError: for an array of another shape or type.
    """
    image = np.asarray(image)
    _check_images(image, "(h, w, 3)")
    _check_dither(dither)
    return _DITHERS[dither](image, palette)


def quantize(
    image: UInt8[np.ndarray, "h w 3"],
    num_colors: int = 32,
    quantizer: str = "median_cut",
    dither: str = "floyd_steinberg",
    *,
    stride: int = 1,
) -> tuple[UInt8[np.ndarray, "h w"], Palette]:
    """Makes one image's palette and maps it; `palette.colors[indices]` is the GIF's frame.

    See `make_palette` and `apply_palette` for the arguments and errors.
    """
    palette = make_palette(np.asarray(image)[None], num_colors, quantizer, stride=stride)
    return apply_palette(image, palette, dither), palette


@dataclasses.dataclass(frozen=True)
class GifSummary:
    """What `make_gif` wrote."""

    width: int
    height: int
    num_frames: int
    duration: Fraction  # Seconds, the sum of the delays.


def make_gif(
    frames: Iterable[UInt8[np.ndarray, "h w 3"]],
    output: str | os.PathLike | ByteSink,
    *,
    rate: Fraction | int,
    fps: Fraction | float | None = None,
    width: int | None = None,
    num_colors: int = 32,
    quantizer: str = "minimum_variance",
    dither: str = "floyd_steinberg",
    lossy: int = 0,
    palette_scope: Literal["frame", "clip"] = "frame",
    loop_count: int | None = 0,
    overwrite: bool = False,
) -> GifSummary:
    """Makes a GIF of a stream of frames; the defaults are how the paper's GIFs were made.

    Memory holds a few frames and, with one palette for the clip, a sample of about a million
    pixels; the frames then wait in a temporary file until the palette is known.

    Args:
      frames: RGB in [0, 255], all of one size, at a constant rate; read once.
      output: a file, which appears only when whole, or an open binary stream.
      rate: frames a second of `frames`.
      fps: frames a second of the GIF, at most 50; None or more than `rate`: all frames, or 50 a
        second where there are more.
      width: of the GIF in pixels, the height in proportion; None: as the frames are.
      num_colors: of each palette, 2 to 256.
      quantizer: one of `QUANTIZERS`.
      dither: one of `DITHERS`.
      lossy: 0, or how much colours may change for a smaller file, see `gifs.lossy`.
      palette_scope: a palette for each frame, or one for the clip.
      loop_count: 0 for ever, n for n repetitions, None for a GIF that plays once.
      overwrite: replaces the file if there is one.

    Raises:
      InputError: for options that don't exist or can't be had, no frames, an existing file.
      ValueError: for frames of another shape or type, or of unequal sizes.
    """
    _check_quantizer(num_colors, quantizer)
    _check_dither(dither)
    if lossy < 0:
        raise InputError(f"lossy: expected 0 (not at all) or more, got {lossy}")
    if palette_scope not in ("frame", "clip"):
        raise InputError(f"unknown palette scope {palette_scope!r}; available: frame, clip")
    shown = _resized(_sampled(frames, *_rates(rate, fps)), width)
    with open_whole(output, overwrite) as stream, tempfile.TemporaryFile() as spool:
        palette = None
        if palette_scope == "clip":
            shown, palette = _clip_palette(shown, spool, num_colors, quantizer)
        writer, total = None, 0
        for image, hundredths in shown:
            colors = palette or make_palette(image[None], num_colors, quantizer)
            if writer is None:
                height, wide, _ = image.shape
                writer = GifWriter(stream, wide, height, palette=palette, loop_count=loop_count)
            indices = compress_lossily(apply_palette(image, colors, dither), colors, lossy)
            writer.write(indices, colors, 10 * hundredths)
            total += hundredths
        if writer is None:
            raise InputError("no frames to make a GIF of")
        writer.finish()
    return GifSummary(writer.width, writer.height, writer.num_frames, Fraction(total, 100))


def _rates(rate, fps) -> tuple[Fraction, Fraction]:
    """The exact rates of the frames and of the GIF."""
    rate = Fraction(rate)
    if rate <= 0:
        raise InputError(f"expected a positive number of frames a second, got {rate}")
    if fps is None:
        return rate, min(rate, Fraction(MAX_FPS))
    if not 0 < fps <= MAX_FPS:
        raise InputError(f"a GIF shows above 0 to {MAX_FPS} frames a second, got {float(fps):g}")
    return rate, min(rate, Fraction(fps).limit_denominator(1001))


def _sampled(frames, rate: Fraction, fps: Fraction) -> Iterator[tuple[np.ndarray, int]]:
    """Those frames that the GIF shows, each with its delay in hundredths of a second.

    Frame k of the GIF is shown at k / fps seconds and is the frame that the source shows then.
    Delays differ by rounding only, so that the times never drift from the source's.
    """
    waiting, shown, count = None, 0, 0
    for image in frames:
        _check_images(image, "(h, w, 3)")
        count += 1
        # fps <= rate: a source frame is shown once or not at all.
        if Fraction(shown) / fps < Fraction(count) / rate:
            if waiting is not None:
                if image.shape != waiting.shape:
                    raise ValueError(f"frames: expected {waiting.shape}, got {image.shape}")
                yield waiting, _hundredths(shown, fps) - _hundredths(shown - 1, fps)
            waiting, shown = image, shown + 1
    if waiting is not None:
        rest = _hundredths(count, rate) - _hundredths(shown - 1, fps)
        yield waiting, max(rest, 100 // MAX_FPS)


def _hundredths(count: int, rate: Fraction) -> int:
    return int(100 * count / rate + Fraction(1, 2))


def _resized(frames, width: int | None) -> Iterator[tuple[np.ndarray, int]]:
    if width is not None and width < 1:
        raise InputError(f"expected a width of at least 1 pixel, got {width}")
    for image, hundredths in frames:
        if width is not None and width != image.shape[1]:
            height = max(1, round(image.shape[0] * width / image.shape[1]))
            picture = Image.fromarray(np.ascontiguousarray(image))
            image = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS))
        yield image, hundredths


def _clip_palette(frames, spool: IO[bytes], num_colors: int, quantizer: str):
    """One palette for all frames, and the frames again, from a temporary file."""
    sample = PixelSample()
    shape: tuple[int, ...] = ()
    delays = []
    for image, hundredths in frames:
        sample.add(image)
        spool.write(image.tobytes())
        shape = image.shape
        delays.append(hundredths)
    if not delays:
        return iter(()), None
    pixels = sample.picture
    if sample.distinct is not None and len(sample.distinct) <= num_colors:
        pixels = sample.distinct[None]
    spool.seek(0)

    def again():
        for hundredths in delays:
            data = spool.read(int(np.prod(shape)))
            yield np.frombuffer(data, np.uint8).reshape(shape), hundredths

    return again(), make_palette(pixels[None], num_colors, quantizer)


def _check_images(images: np.ndarray, names: str) -> None:
    ndim = names.count(",") + 1
    fits = images.ndim == ndim and images.shape[-1] == 3 and images.size
    if not fits or images.dtype != np.uint8:
        raise ValueError(f"expected uint8 {names}, got {images.dtype} {images.shape}")


def _check_quantizer(num_colors: int, quantizer: str) -> None:
    if not 2 <= num_colors <= MAX_COLORS:
        raise InputError(f"a GIF's palette has 2 to {MAX_COLORS} colours, got {num_colors}")
    if quantizer not in _QUANTIZERS:
        raise InputError(f"unknown quantizer {quantizer!r}; available: {', '.join(QUANTIZERS)}")


def _check_dither(dither: str) -> None:
    if dither not in DITHERS:
        raise InputError(f"unknown dither {dither!r}; available: {', '.join(DITHERS)}")
