"""Examples for the dither classifier: patches of GIFs made from stills, and how they were made."""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int8, UInt8

from gif2video_jax.errors import InputError
from gif2video_jax.gifs.dither_planes import dither_planes
from gif2video_jax.gifs.dithering import DITHER_KINDS
from gif2video_jax.gifs.maker import DITHERS, apply_palette, make_palette
from gif2video_jax.training.examples import flat_drawing, random_view
from gif2video_jax.training.recipes import random_recipe
from gif2video_jax.training.sampling import check_sampling, draw
from gif2video_jax.training.sources import open_source

NONE, ERROR_DIFFUSION, ORDERED = range(len(DITHER_KINDS))
_WINDOW = 128  # the part of a frame whose planes are made, pixels
_PALETTE_PIXELS = 8192
# A patch of which less is changed by the dither has none.
_MIN_CHANGED = 0.01
_LEVELS = 256
# How far apart examples of one GIF are.
_APART = 512


def kind_of(dither: str) -> int:
    """The number in `DITHER_KINDS` of one of the maker's dithers."""
    if dither == "none":
        return NONE
    return ORDERED if dither.startswith("bayer") else ERROR_DIFFUSION


@dataclasses.dataclass(frozen=True)
class Window:
    """A part of a GIF frame.

    Attributes:
      planes: of it.
      changed: where its dither made a difference.
      kind: of its dither, by number.
    """

    planes: Int8[np.ndarray, "h w 15"]
    changed: Bool[np.ndarray, "h w"]
    kind: int


@dataclasses.dataclass
class DitherExamples:
    """Patches of GIF frames as planes, each with the kind of its dither.

    Attributes:
      corpus: what to read, see `sources.open_source`; a path alone is a packed corpus.
      split: of the corpus.
      seed: two makers of one seed give the same examples.
      patch_size: side of the square patches, pixels.
      patches_per_frame: how many patches share one GIF making.
      shares: of pictures without dither, with error diffusion, with ordered dither, among those
        that are reduced; each dither of a kind is as frequent as the others.
      art_share: share of pictures whose colours were never reduced: flat drawings, pixel art,
        sprites, greys and heat maps of a picture's greys, shades. They have no dither.
      sampling: see `sampling.draw`.
      uses: how many examples share a GIF, each with patches of its own: cutting costs little.
        Neighbouring examples are of different GIFs.
    """

    corpus: str
    split: str = "train"
    seed: int = 0
    patch_size: int = 64
    patches_per_frame: int = 4
    shares: Sequence[float] = (0.3, 0.37, 0.33)
    art_share: float = 0.15
    sampling: str = "random"
    uses: int = 1

    def __post_init__(self):
        """Opens the corpus.

        Raises:
          InputError: if it does not serve, or a field is out of range.
        """
        check_sampling(self.sampling)
        if not 16 <= self.patch_size <= _WINDOW:
            raise InputError(
                f"config.data.patch_size: expected 16 to {_WINDOW}, got {self.patch_size}"
            )
        shares = tuple(self.shares)
        if len(shares) != len(DITHER_KINDS) or min(shares) < 0 or not sum(shares):
            raise InputError(f"config.data.shares: expected three shares, got {shares}")
        if not 0 <= self.art_share <= 1:
            raise InputError(f"config.data.art_share: expected 0 to 1, got {self.art_share}")
        if self.uses < 1:
            raise InputError(f"config.data.uses: expected 1 or more, got {self.uses}")
        self._source = open_source(self.corpus, split=self.split, kind="still")
        self._kept: collections.OrderedDict[int, Window] = collections.OrderedDict()

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Makes example `index`.

        Returns:
          With p patches of side s: planes int8 (p, s, s, 15), kind int32 (p,).
        """
        window = self._shared_window(index)
        rng = np.random.default_rng([self.seed, index])
        patches, kinds = [], []
        for _ in range(self.patches_per_frame):
            top, left = (int(rng.integers(n - self.patch_size + 1)) for n in window.changed.shape)
            patch = (slice(top, top + self.patch_size), slice(left, left + self.patch_size))
            patches.append(window.planes[patch])
            kinds.append(window.kind if window.changed[patch].mean() >= _MIN_CHANGED else NONE)
        return {"planes": np.stack(patches), "kind": np.array(kinds, np.int32)}

    def _shared_window(self, index: int) -> "Window":
        """What an example shares with those `_APART`, twice that, ... further on."""
        round_number, place = divmod(index, _APART)
        number = round_number // self.uses * _APART + place
        if number not in self._kept:
            self._kept[number] = self._window(number)
            if len(self._kept) > _APART:
                self._kept.popitem(last=False)
        return self._kept[number]

    def _window(self, number: int) -> "Window":
        # Another seed than that of the examples: two numbers, and then a third.
        rng = np.random.default_rng([self.seed, number, 1])
        if rng.random() < self.art_share:
            rgb = _window(rng, self._art(rng, number))
            return Window(dither_planes(rgb), np.zeros(rgb.shape[:2], bool), NONE)
        return self._gif(rng, number)

    def _gif(self, rng: np.random.Generator, index: int) -> Window:
        """A part of a picture of few colours; the palette is the whole picture's."""
        shares = np.array(self.shares)
        kind = int(rng.choice(len(DITHER_KINDS), p=shares / shares.sum()))
        dither = str(rng.choice([name for name in DITHERS if kind_of(name) == kind]))
        recipe = random_recipe(rng)
        if rng.random() < 0.1:  # a drawing, reduced further than it should be
            truth = flat_drawing(rng, 2 * self.patch_size)
        else:
            truth = self._view(rng, index)
        stride = max(1, round((truth.shape[0] * truth.shape[1] / _PALETTE_PIXELS) ** 0.5))
        palette = make_palette(truth[None], recipe.num_colors, recipe.quantizer, stride=stride)
        truth = _window(rng, truth)
        indices = apply_palette(truth, palette, dither)
        changed = np.zeros(indices.shape, bool)
        if kind != NONE:
            changed = indices != apply_palette(truth, palette, "none")
        return Window(dither_planes(palette.colors[indices]), changed, kind)

    def _view(self, rng: np.random.Generator, index: int) -> UInt8[np.ndarray, "h w 3"]:
        item, number = draw(self._source, rng, sampling=self.sampling, seed=self.seed, index=index)
        return random_view(rng, self._source.frame(item, number), at_least=self.patch_size)

    def _art(self, rng: np.random.Generator, index: int) -> UInt8[np.ndarray, "h w 3"]:
        """A picture of at most 256 colours that nobody reduced."""
        kind = rng.integers(5)
        if kind == 0:
            return flat_drawing(rng, 2 * self.patch_size)
        if kind == 1:
            return sprites(rng, 2 * self.patch_size)
        if kind == 2:
            return shades(rng, 2 * self.patch_size)
        grey = self._view(rng, index)[..., 1]
        if kind == 3:
            return np.repeat(grey[..., None], 3, axis=-1)
        return _random_map(rng)[grey]


def _window(
    rng: np.random.Generator, picture: UInt8[np.ndarray, "h w 3"]
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """A part of a picture, at most `_WINDOW` pixels high and wide."""
    y, x = (int(rng.integers(max(0, side - _WINDOW) + 1)) for side in picture.shape[:2])
    return np.ascontiguousarray(picture[y : y + _WINDOW, x : x + _WINDOW])


def sprites(rng: np.random.Generator, side: int) -> UInt8[np.ndarray, "side side 3"]:
    """Pixel art: symmetric sprites and textures of few colours, at 1 to 4 times their size."""
    scale = int(rng.choice([1, 1, 2, 3, 4]))
    size = -(-side // scale)
    colors = rng.integers(0, 256, (int(rng.integers(4, 17)), 3), np.uint8)
    weights = rng.dirichlet(np.full(len(colors), 0.4))
    texture = rng.random() < 0.5
    indices = np.zeros((size, size), np.uint8)
    if texture:
        indices[:] = rng.choice(len(colors), indices.shape, p=weights)
    cell = int(rng.choice([8, 12, 16, 24]))
    for top in range(0, size - cell + 1, cell):
        for left in range(0, size - cell + 1, cell):
            if rng.random() < 0.5:
                half = rng.choice(len(colors), (cell, cell // 2), p=weights)
                both = np.concatenate([half, half[:, ::-1]], axis=1)
                indices[top : top + cell, left : left + both.shape[1]] = both
    return colors[indices].repeat(scale, 0).repeat(scale, 1)[:side, :side]


def shades(rng: np.random.Generator, side: int) -> UInt8[np.ndarray, "side side 3"]:
    """A smooth shade from one colour to another, in as many levels as there are or fewer."""
    y, x = np.mgrid[:side, :side] / side
    angle = rng.uniform(0, 2 * np.pi)
    along = (
        np.cos(angle) * x
        + np.sin(angle) * y
        + rng.uniform(0, 0.3) * np.sin(rng.uniform(1, 12) * x + rng.uniform(1, 12) * y)
    )
    along = (along - along.min()) / np.ptp(along)
    levels = int(rng.integers(8, _LEVELS))
    return _random_map(rng)[np.rint(np.rint(along * levels) * (_LEVELS - 1) / levels).astype(int)]


def _random_map(rng: np.random.Generator) -> UInt8[np.ndarray, "256 3"]:
    """Colours of 256 levels, through a few random ones."""
    knots = rng.integers(0, 256, (int(rng.integers(2, 6)), 3))
    places = np.linspace(0, len(knots) - 1, _LEVELS)
    return np.stack(
        [np.rint(np.interp(places, range(len(knots)), knots[:, i])) for i in range(3)], axis=1
    ).astype(np.uint8)
