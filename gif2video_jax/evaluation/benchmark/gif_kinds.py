"""Kinds of GIFs that are measured, and the GIF frames that they make of pictures."""

import dataclasses
import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.errors import InputError
from gif2video_jax.gifs.lossy import compress_lossily
from gif2video_jax.gifs.maker import DITHERS, QUANTIZERS, quantize
from gif2video_jax.gifs.reader import Frame, read_gif
from gif2video_jax.gifs.writer import GifWriter

DELAY_MS = 80  # any delay that no browser changes does: only its multiples matter


@dataclasses.dataclass(frozen=True)
class GifKind:
    """How a GIF's colours are reduced; each frame has its own palette.

    Attributes:
      num_colors: of the palette.
      quantizer: of `maker.QUANTIZERS`.
      dither: of `maker.DITHERS`.
      lossy: see `gifs.lossy`.
    """

    num_colors: int
    quantizer: str
    dither: str
    lossy: int = 0

    @property
    def name(self) -> str:
        """Such as "32-median_cut-none" or "256-palettegen-none-80", which `parse_kind` reads."""
        parts = [self.num_colors, self.quantizer, self.dither, *([self.lossy] * (self.lossy > 0))]
        return "-".join(map(str, parts))

    @property
    def title(self) -> str:
        """Such as "32 median cut, no dither" or "256 palettegen, bayer2, lossy 80"."""
        names = {"none": "no dither", "floyd_steinberg": "Floyd-Steinberg"}
        dither = names.get(self.dither, self.dither)
        lossy = f", lossy {self.lossy}" if self.lossy else ""
        return f"{self.num_colors} {self.quantizer.replace('_', ' ')}, {dither}{lossy}"


STILL_KINDS = (
    GifKind(32, "median_cut", "none"),
    GifKind(32, "median_cut", "floyd_steinberg"),
    GifKind(64, "palettegen", "sierra2_4a"),
    GifKind(256, "palettegen", "bayer2"),
)
CLIP_KINDS = STILL_KINDS[:2]


def parse_kind(text: str) -> GifKind:
    """Reads a kind's name.

    Raises:
      InputError: it is none.
    """
    try:
        num_colors, quantizer, dither, *lossy = text.split("-")
        kind = GifKind(int(num_colors), quantizer, dither, *map(int, lossy))
    except (ValueError, TypeError):
        kind = GifKind(0, "", "")
    if kind.quantizer not in QUANTIZERS or kind.dither not in DITHERS:
        raise InputError(
            f"{text}: expected a kind of GIF as COLOURS-QUANTIZER-DITHER or COLOURS-QUANTIZER-"
            f"DITHER-LOSSY, such as {STILL_KINDS[0].name}; quantizers: {', '.join(QUANTIZERS)}; "
            f"dithers: {', '.join(DITHERS)}"
        )
    return kind


def make_gif(
    pictures: Sequence[UInt8[np.ndarray, "h w 3"]], kind: GifKind
) -> tuple[list[Frame], int]:
    """Makes a GIF file of pictures and reads it back.

    Returns:
      Its frames, and its size in bytes.
    """
    file = io.BytesIO()
    height, width = pictures[0].shape[:2]
    writer = GifWriter(file, width, height)
    for picture in pictures:
        indices, palette = quantize(picture, kind.num_colors, kind.quantizer, kind.dither)
        writer.write(compress_lossily(indices, palette, kind.lossy), palette, DELAY_MS)
    writer.finish()
    return read_gif(file.getvalue()).frames, len(file.getvalue())
