"""Training examples as pure functions of (seed, index), so that any run can resume exactly.

An example maker is a random-access source: `maker[i]` always gives the same arrays. Nothing here
imports JAX, so that worker processes start fast.
"""

import dataclasses

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from gif2video_jax.gifs.maker import quantize
from gif2video_jax.gifs.palette import palette_geometry
from gif2video_jax.training.corpus import PackedCorpus
from gif2video_jax.training.recipes import random_recipe


@dataclasses.dataclass
class DequantizationExamples:
    """Patches of GIF frames with their truth, made on the fly from a corpus' stills.

    Each index is one GIF frame (a random window of a random picture at a random scale, quantised as
    a whole, since a GIF's palette serves its whole frame) cut into several random patches.

    Attributes:
      corpus: path of the packed corpus.
      split: of the corpus.
      seed: two makers of one seed give the same examples.
      patch_size: side of the square patches, pixels.
      patches_per_frame: how many patches share one GIF making.
      recipe: see `recipes.random_recipe`.
      drawn_share: share of frames that are flat drawings whose colours survive, truth = GIF.
    """

    corpus: str
    split: str = "train"
    seed: int = 0
    patch_size: int = 96
    patches_per_frame: int = 4
    recipe: str = "wild"
    drawn_share: float = 0.04

    def __post_init__(self):
        """Opens the corpus."""
        self._corpus = PackedCorpus(self.corpus, split=self.split, kind="still")

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Makes example `index`.

        Returns:
          With p patches of side s: truth uint8 (p, s, s, 3), indices uint8 (p, s, s), palette uint8
          (p, 256, 3), num_colors int32 (p,), geometry float32 (p, 256, 12), see
          `gifs.palette.palette_geometry`.
        """
        rng = np.random.default_rng([self.seed, index])
        if rng.random() < self.drawn_share:
            truth = flat_drawing(rng, 2 * self.patch_size)
            indices, palette = quantize(truth, 256, "median_cut", "none")
            truth = palette.colors[indices]
        else:
            picture = self._corpus.frame(self._corpus.random_item(rng))
            truth = random_view(rng, picture, at_least=self.patch_size)
            recipe = random_recipe(rng, self.recipe)
            indices, palette = quantize(
                truth, recipe.num_colors, recipe.quantizer, recipe.dither, stride=2
            )
        used = np.zeros(256, bool)
        used[np.unique(indices)] = True
        corners = [
            (
                rng.integers(truth.shape[0] - self.patch_size + 1),
                rng.integers(truth.shape[1] - self.patch_size + 1),
            )
            for _ in range(self.patches_per_frame)
        ]

        def cut(array):
            side = self.patch_size
            return np.stack([array[y : y + side, x : x + side] for y, x in corners])

        def repeat(array):
            return np.repeat(np.asarray(array)[None], self.patches_per_frame, axis=0)

        return {
            "truth": cut(truth),
            "indices": cut(indices),
            "palette": repeat(palette.colors),
            "num_colors": repeat(np.int32(palette.num_colors)),
            "geometry": repeat(palette_geometry(palette, used)),
        }


def random_view(
    rng: np.random.Generator, picture: UInt8[np.ndarray, "h w 3"], *, at_least: int
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """A random window of a picture at a random scale, flipped and recoloured at random.

    The result's long side is 160 to 352 pixels, GIF sizes, its short side `at_least` pixels or
    more. Pictures are only ever made smaller, which hides their own coding damage.
    """
    height, width = picture.shape[:2]
    share = rng.uniform(0.45, 1.0)
    aspect = np.exp(rng.uniform(-0.25, 0.25))
    window_h = int(np.clip(height * share * aspect, min(at_least, height), height))
    window_w = int(np.clip(width * share / aspect, min(at_least, width), width))
    y = rng.integers(height - window_h + 1)
    x = rng.integers(width - window_w + 1)
    scale = rng.uniform(160, 352) / max(window_h, window_w)
    scale = max(min(scale, 1.0), at_least / min(window_h, window_w))
    size = (
        max(at_least, round(window_w * scale)),
        max(at_least, round(window_h * scale)),
    )
    view = Image.fromarray(picture).resize(
        size,
        Image.Resampling(int(rng.choice([Image.Resampling.LANCZOS, Image.Resampling.BOX]))),
        box=(x, y, x + window_w, y + window_h),
        reducing_gap=3.0,
    )
    array = np.asarray(view)
    if rng.random() < 0.5:
        array = array[:, ::-1]
    if rng.random() < 0.25:
        array = array.transpose(1, 0, 2)
    if rng.random() < 0.5:
        array = _recolor(rng, array)
    return np.ascontiguousarray(array)


def _recolor(rng: np.random.Generator, image: UInt8[np.ndarray, "h w 3"]):
    """Random gamma, gain, saturation and channel order: few pictures, many palettes."""
    value = image.astype(np.float32) / 255.0
    grey = value.mean(-1, keepdims=True)
    value = grey + (value - grey) * rng.uniform(0.3, 1.4)
    value = np.clip(value, 0, 1) ** rng.uniform(0.75, 1.35, 3).astype(np.float32)
    value = value * rng.uniform(0.75, 1.1) + rng.uniform(-0.04, 0.04)
    if rng.random() < 0.3:
        value = value[..., rng.permutation(3)]
    return np.round(np.clip(value, 0, 1) * 255).astype(np.uint8)


def flat_drawing(rng: np.random.Generator, side: int) -> UInt8[np.ndarray, "side side 3"]:
    """Flat shapes, lines and text of at most 20 colours, not anti-aliased: like pixel art."""
    colors = [tuple(int(v) for v in rng.integers(0, 256, 3)) for _ in range(20)]
    image = Image.new("RGB", (side, side), colors[0])
    draw = ImageDraw.Draw(image)
    draw.fontmode = "1"
    for _ in range(rng.integers(4, 24)):
        color = colors[rng.integers(len(colors))]
        x0, y0 = (int(v) for v in rng.integers(-side // 4, side, 2))
        x1, y1 = x0 + int(rng.integers(2, side // 2)), y0 + int(rng.integers(2, side // 2))
        shape = rng.integers(5)
        if shape == 0:
            draw.rectangle((x0, y0, x1, y1), fill=color)
        elif shape == 1:
            draw.ellipse((x0, y0, x1, y1), fill=color)
        elif shape == 2:
            draw.line((x0, y0, x1, y1), fill=color, width=int(rng.integers(1, 5)))
        elif shape == 3:
            points = [tuple(int(v) for v in rng.integers(0, side, 2)) for _ in range(3)]
            draw.polygon(points, fill=color)
        else:
            letters = "".join(chr(c) for c in rng.integers(48, 123, 12))
            draw.text((x0, y0), letters, fill=color)
    if rng.random() < 0.3:
        block = int(rng.choice([2, 4]))
        small = image.resize((side // block, side // block), Image.Resampling.NEAREST)
        image = small.resize((side, side), Image.Resampling.NEAREST)
    return np.asarray(image)
