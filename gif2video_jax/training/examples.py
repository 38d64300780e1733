"""Training examples as pure functions of (seed, index), so that any run can resume exactly.

An example maker is a random-access source: `maker[i]` always gives the same arrays. Nothing here
imports JAX, so that worker processes start fast.
"""

import dataclasses

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from gif2video_jax.errors import InputError
from gif2video_jax.gifs.maker import quantize
from gif2video_jax.gifs.palette import MAX_COLORS, Palette, palette_geometry
from gif2video_jax.training.corpus import Source
from gif2video_jax.training.recipes import WILD, random_recipe
from gif2video_jax.training.sampling import check_sampling, draw
from gif2video_jax.training.sources import open_source

STORED = "stored"
AUGMENTATIONS = ("wild", "crop", "none")
# About as many are looked at for a palette of the wild.
_PALETTE_PIXELS = 8192


@dataclasses.dataclass
class DequantizationExamples:
    """Patches of GIF frames with their truth, stored or made on the fly from stills.

    Each index is one GIF frame (of a random window of a random picture at a random scale, quantised
    as a whole, since a GIF's palette serves its whole frame) cut into several random patches.

    Attributes:
      corpus: what to read, see `sources.open_source`; a path alone is a packed corpus.
      split: of the corpus.
      seed: two makers of one seed give the same examples.
      patch_size: side of the square patches, pixels.
      patches_per_frame: how many patches share one GIF making.
      recipe: see `recipes.random_recipe`; "stored" takes the GIFs of a TFDS data set.
      drawn_share: share of frames that are flat drawings whose colours survive, truth = GIF.
      augmentation: "wild": window, scale, flips, colours, see `random_view`; "crop": the picture as
        it is, mirrored half of the time, patches anywhere; "none": the patch in its middle. Stored
        GIFs cannot be scaled: "wild" is "crop" there.
      sampling: see `sampling.draw`.
      photograph_share: likewise.
      smallest_window: see `random_view`.
    """

    corpus: str
    split: str = "train"
    seed: int = 0
    patch_size: int = 96
    patches_per_frame: int = 4
    recipe: str = "wild"
    drawn_share: float = 0.04
    augmentation: str = "wild"
    sampling: str = "random"
    photograph_share: float | None = None
    smallest_window: float = 0.45

    def __post_init__(self):
        """Opens the corpus.

        Raises:
          InputError: if it does not serve, or a field is out of range.
        """
        check_sampling(self.sampling)
        check_augmentation(self.augmentation)
        if self.photograph_share is not None and not 0 <= self.photograph_share <= 1:
            raise InputError(
                f"config.data.photograph_share: expected 0 to 1, got {self.photograph_share}"
            )
        if not 0 < self.smallest_window <= 1:
            raise InputError(
                "config.data.smallest_window: expected more than 0 and at most 1, "
                f"got {self.smallest_window}"
            )
        self._source = open_source(self.corpus, split=self.split, kind="still")
        if self.recipe == STORED:
            check_gifs(self._source)

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
            truth, indices, palette = self._gif_frame(rng, index)
        used = np.bincount(indices.ravel(), minlength=MAX_COLORS) > 0
        corners = [self._corner(rng, *indices.shape) for _ in range(self.patches_per_frame)]

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

    def _gif_frame(self, rng: np.random.Generator, index: int):
        """Truth, indices and palette of a whole GIF frame."""
        item, number = draw(
            self._source,
            rng,
            sampling=self.sampling,
            seed=self.seed,
            index=index,
            photograph_share=self.photograph_share,
        )
        if self.recipe == STORED:
            found = self._source.gif_frames(item, range(number, number + 1))
            truth, indices = found["truth"][0], found["indices"][0]
            palette = Palette(found["palette"][0], int(found["num_colors"][0]))
            mirrored = self.augmentation != "none" and rng.random() < 0.5
            if mirrored:
                truth, indices = truth[:, ::-1], indices[:, ::-1]
        else:
            truth = self._source.frame(item, number)
            if self.augmentation == "wild":
                truth = random_view(
                    rng, truth, at_least=self.patch_size, smallest_window=self.smallest_window
                )
            elif self.augmentation == "crop" and rng.random() < 0.5:
                truth = np.ascontiguousarray(truth[:, ::-1])
            indices, palette = make_gif_frame(rng, truth, self.recipe)
        if min(indices.shape) < self.patch_size:
            raise InputError(
                f"{self._source}: {item.paths[0]} has {indices.shape[1]}x{indices.shape[0]} "
                f"pixels, fewer than config.data.patch_size {self.patch_size}"
            )
        return truth, indices, palette

    def _corner(self, rng: np.random.Generator, height: int, width: int) -> tuple[int, int]:
        room_y, room_x = height - self.patch_size, width - self.patch_size
        if self.augmentation == "none":
            return room_y // 2, room_x // 2
        return int(rng.integers(room_y + 1)), int(rng.integers(room_x + 1))


def make_gif_frame(
    rng: np.random.Generator, truth: UInt8[np.ndarray, "h w 3"], recipe: str
) -> tuple[UInt8[np.ndarray, "h w"], Palette]:
    """Makes a frame a GIF's by a recipe; palettes of the wild see a part of the pixels only."""
    stride = 1
    if recipe in WILD:
        stride = max(1, round((truth.shape[0] * truth.shape[1] / _PALETTE_PIXELS) ** 0.5))
    return random_recipe(rng, recipe).make(truth, stride=stride)


def check_augmentation(augmentation: str) -> None:
    """Checks a name.

    Raises:
      InputError: if there is no such augmentation.
    """
    if augmentation not in AUGMENTATIONS:
        raise InputError(
            f"config.data.augmentation: expected one of {', '.join(AUGMENTATIONS)}, "
            f"got {augmentation!r}"
        )


def check_gifs(source: Source) -> None:
    """Checks that a source has GIFs beside its truth.

    Raises:
      InputError: if not.
    """
    if not source.has_gifs:
        raise InputError(
            f"{source}: stores no GIFs, which config.data.recipe 'stored' asks for; give a TFDS "
            "data set with a config such as g32_dither, or another recipe"
        )


def random_view(
    rng: np.random.Generator,
    picture: UInt8[np.ndarray, "h w 3"],
    *,
    at_least: int,
    smallest_window: float = 0.45,
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """A random window of a picture at a random scale, flipped and recoloured at random.

    The result's long side is 160 to 352 pixels, GIF sizes, its short side `at_least` pixels or
    more. Pictures are only ever made smaller, which hides their own coding damage.

    Args:
      rng: source of randomness.
      picture: any size.
      at_least: the result's short side, pixels.
      smallest_window: share of each of the picture's sides; windows are that large or larger.
    """
    height, width = picture.shape[:2]
    share = rng.uniform(smallest_window, 1.0)
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
    window = np.ascontiguousarray(picture[y : y + window_h, x : x + window_w])
    view = Image.fromarray(window).resize(
        size,
        Image.Resampling(int(rng.choice([Image.Resampling.LANCZOS, Image.Resampling.BOX]))),
        reducing_gap=1.2,  # Boxes first where it gets much smaller: half the time.
    )
    array = np.asarray(view)
    if rng.random() < 0.5:
        array = array[:, ::-1]
    if rng.random() < 0.25:
        array = array.transpose(1, 0, 2)
    array = np.ascontiguousarray(array)
    return _recolor(rng, array) if rng.random() < 0.5 else array


def _recolor(rng: np.random.Generator, image: UInt8[np.ndarray, "h w 3"]):
    """Random gamma, gain, saturation and channel order: few pictures, many palettes."""
    saturation = np.float32(rng.uniform(0.3, 1.4))
    gamma = rng.uniform(0.75, 1.35, 3)
    gain, lift = rng.uniform(0.75, 1.1), rng.uniform(-0.04, 0.04)
    order = rng.permutation(3) if rng.random() < 0.3 else np.arange(3)
    # Gamma and gain by a table, in steps of 1/16 of a level, so that shades stay smooth. The step
    # of a channel is a share of it, plus a share of the sum of all three.
    shades = np.arange(256 * 16) / (255 * 16)
    own = np.arange(256, dtype=np.float32) * (16 * saturation)
    grey = np.arange(3 * 255 + 1, dtype=np.float32) * (16 / 3 * (1 - saturation))
    channels = [np.ascontiguousarray(image[..., channel]) for channel in range(3)]
    total = channels[0].astype(np.int16)
    total += channels[1]
    total += channels[2]
    shared = grey.take(total)
    recolored = np.empty_like(image)
    for target, channel in enumerate(order):
        table = np.clip(shades ** gamma[channel] * gain + lift, 0, 1)
        table = np.round(table * 255).astype(np.uint8)
        steps = own.take(channels[channel])
        steps += shared
        recolored[..., target] = table.take(steps.astype(np.intp), mode="clip")
    return recolored


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
