"""How random GIFs are made for training: the kinds of the wild, or the paper's fixed one."""

import dataclasses

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.gifs.lossy import compress_lossily
from gif2video_jax.gifs.maker import quantize
from gif2video_jax.gifs.palette import Palette

# Shares of the quantisers and dithers that GIFs of the wild are made with, as we judge them:
# ffmpeg's and Pillow's defaults lead, and no dither is what every screen recorder offers.
_QUANTIZERS = {
    "median_cut": 0.35,
    "palettegen": 0.30,
    "minimum_variance": 0.20,
    "octree": 0.10,
    "kmeans": 0.05,
}
_DITHERS = {
    "none": 0.28,
    "floyd_steinberg": 0.30,
    "sierra2_4a": 0.14,
    "bayer0": 0.01,
    "bayer1": 0.02,
    "bayer2": 0.07,
    "bayer3": 0.03,
    "bayer4": 0.02,
    "bayer5": 0.03,
    "sierra2": 0.03,
    "sierra3": 0.02,
    "burkes": 0.02,
    "atkinson": 0.01,
    "heckbert": 0.02,
}
# Sites that serve GIFs make them smaller by `gifsicle --lossy`, 20 to 200. Kinds of the wild, and
# the share of theirs that is lossy.
WILD = {"wild": 0.2, "wild_lossless": 0.0}
_LOSSY = (15.0, 200.0)


@dataclasses.dataclass(frozen=True)
class GifRecipe:
    """How one GIF is made: arguments of `gifs.maker.quantize` and `gifs.lossy.compress_lossily`."""

    num_colors: int
    quantizer: str
    dither: str
    lossy: int = 0

    def make(
        self, image: UInt8[np.ndarray, "h w 3"], *, stride: int = 1
    ) -> tuple[UInt8[np.ndarray, "h w"], Palette]:
        """One frame of such a GIF; its palette is made of every stride-th pixel on each axis."""
        indices, palette = quantize(
            image, self.num_colors, self.quantizer, self.dither, stride=stride
        )
        return compress_lossily(indices, palette, self.lossy), palette


def random_recipe(rng: np.random.Generator, kind: str = "wild") -> GifRecipe:
    """Draws a recipe.

    Args:
      rng: source of randomness.
      kind: "wild" for every kind of GIF, 8 to 256 colours, "wild_lossless" for those that nobody
        compressed lossily, or "COLORS/QUANTIZER/DITHER" for one fixed kind, such as the paper's
        "32/minimum_variance/floyd_steinberg".

    Raises:
      ValueError: if `kind` is none of them.
    """
    if kind not in WILD:
        parts = kind.split("/")
        if len(parts) != 3 or not parts[0].isdigit():
            wild = ", ".join(map(repr, WILD))
            raise ValueError(f"kind: expected {wild} or 'COLORS/QUANTIZER/DITHER', got {kind!r}")
        return GifRecipe(int(parts[0]), parts[1], parts[2])
    if rng.random() < 0.5:
        num_colors = int(rng.choice([16, 32, 64, 128, 256, 256]))
    else:
        num_colors = int(round(2 ** rng.uniform(3, 8)))
    quantizer, dither = _draw(rng, _QUANTIZERS), _draw(rng, _DITHERS)
    lossy = 0
    if rng.random() < WILD[kind]:
        lossy = round(np.exp(rng.uniform(*np.log(_LOSSY))))
    return GifRecipe(num_colors, quantizer, dither, lossy)


def _draw(rng: np.random.Generator, shares: dict[str, float]) -> str:
    weights = np.array(list(shares.values()))
    return str(rng.choice(list(shares), p=weights / weights.sum()))
