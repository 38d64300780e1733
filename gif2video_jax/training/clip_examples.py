"""Examples of real motion: windows of consecutive frames with the GIF of both end frames.

As the paper trains interpolation: T + 1 frames, of which a GIF shows the first and the last,
mirrored and played backwards at random.
"""

import dataclasses

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from gif2video_jax.errors import InputError
from gif2video_jax.gifs.palette import Palette
from gif2video_jax.training.corpus import Item
from gif2video_jax.training.examples import (
    STORED,
    check_augmentation,
    check_gifs,
    make_gif_frame,
)
from gif2video_jax.training.interpolation_examples import damaged_keys
from gif2video_jax.training.sampling import check_sampling, draw
from gif2video_jax.training.sources import open_source

# "wild" makes a frame's short side up to this much longer than the crop.
_MAX_ROOM = 1.5


@dataclasses.dataclass
class ClipExamples:
    """Windows of real clips and the GIF frames at their ends, for `clip_interpolation`.

    Attributes:
      corpus: what to read, see `sources.open_source`; a path alone is a packed corpus.
      split: of the corpus.
      seed: two makers of one seed give the same examples.
      size: side of the square frames, pixels.
      num_frames: T + 1, both key frames included, 3 or more.
      step: distance from frame to frame in the video.
      recipe: see `recipes.random_recipe`, one for both key frames; "stored" takes the GIFs of a
        TFDS data set.
      augmentation: "wild": scaled at random, then as "crop"; "crop": a random crop, mirrored and
        played backwards each half of the time; "none": the middle. GIFs are made of whole frames,
        before the crop. Stored GIFs cannot be scaled: "wild" is "crop" there.
      sampling: see `sampling.draw`; "videos" is the paper's.
    """

    corpus: str
    split: str = "train"
    seed: int = 0
    size: int = 256
    num_frames: int = 9
    step: int = 1
    recipe: str = "wild"
    augmentation: str = "wild"
    sampling: str = "random"

    def __post_init__(self):
        """Opens the corpus.

        Raises:
          InputError: if it does not serve.
        """
        check_sampling(self.sampling)
        check_augmentation(self.augmentation)
        if self.num_frames < 3 or self.step < 1:
            raise InputError(
                "config.data: expected num_frames of 3 or more and a step of 1 or more, got "
                f"{self.num_frames} and {self.step}"
            )
        self._source = open_source(self.corpus, split=self.split, kind="clip")
        if self.recipe == STORED:
            check_gifs(self._source)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Makes example `index`.

        Returns:
          With n frames of side s: truth uint8 (1, n, s, s, 3), both key frames included; of the
          GIF's two key frames indices uint8 (1, 2, s, s), palette uint8 (1, 2, 256, 3) and
          num_colors int32 (1, 2); times float32 (1, n - 2) of the frames between, in (0, 1).
        """
        rng = np.random.default_rng([self.seed, index])
        span = (self.num_frames - 1) * self.step + 1
        item, start = draw(
            self._source,
            rng,
            sampling=self.sampling,
            seed=self.seed,
            index=index,
            num_frames=span,
        )
        numbers = range(start, start + span, self.step)
        if self.augmentation != "none" and rng.random() < 0.5:
            numbers = numbers[::-1]
        truth, indices, palettes = self._clip(rng, item, numbers)
        truth, indices = self._crop(rng, truth, indices, item)
        times = np.arange(1, self.num_frames - 1) / (self.num_frames - 1)
        return {
            "truth": truth[None],
            "indices": indices[None],
            "palette": np.stack([palette.colors for palette in palettes])[None],
            "num_colors": np.array([[palette.num_colors for palette in palettes]], np.int32),
            "times": times[None].astype(np.float32),
        }

    def _clip(self, rng: np.random.Generator, item: Item, numbers: range):
        """Whole frames, and indices and palettes of both key frames."""
        forwards = numbers if numbers.step > 0 else numbers[::-1]
        truth = self._source.frames(item, forwards)[:: 1 if numbers.step > 0 else -1]
        if self.recipe == STORED:
            keys = [
                self._source.gif_frames(item, range(number, number + 1))
                for number in (numbers[0], numbers[-1])
            ]
            indices = np.concatenate([key["indices"] for key in keys])
            palettes = [Palette(k["palette"][0], int(k["num_colors"][0])) for k in keys]
            return truth, indices, palettes
        if self.augmentation == "wild":
            truth = self._scaled(rng, truth)
        # One recipe for both: a GIF is made in one way.
        seed = rng.integers(2**63)
        made = [
            make_gif_frame(np.random.default_rng(seed), np.ascontiguousarray(frame), self.recipe)
            for frame in (truth[0], truth[-1])
        ]
        return truth, np.stack([indices for indices, _ in made]), [palette for _, palette in made]

    def _scaled(self, rng: np.random.Generator, frames: UInt8[np.ndarray, "n h w 3"]):
        """Frames of which the short side is 1 to 1.5 times the crop's, never made larger for it."""
        short = min(frames.shape[1:3])
        wanted = self.size * rng.uniform(1.0, _MAX_ROOM)
        scale = max(self.size, min(wanted, short)) / short
        height, width = (max(self.size, round(side * scale)) for side in frames.shape[1:3])
        if (height, width) == frames.shape[1:3]:
            return frames
        return np.stack(
            [
                np.asarray(
                    Image.fromarray(np.ascontiguousarray(frame)).resize(
                        (width, height), Image.Resampling.LANCZOS, reducing_gap=1.5
                    )
                )
                for frame in frames
            ]
        )

    def _crop(self, rng: np.random.Generator, truth, indices, item: Item):
        """The same square of all frames, mirrored half of the time."""
        height, width = indices.shape[1:]
        if min(height, width) < self.size:
            raise InputError(
                f"{self._source}: {item.paths[0]} has {width}x{height} pixels, fewer than "
                f"config.data.size {self.size}"
            )
        y, x = (height - self.size) // 2, (width - self.size) // 2
        mirrored = False
        if self.augmentation != "none":
            y, x = rng.integers(height - self.size + 1), rng.integers(width - self.size + 1)
            mirrored = rng.random() < 0.5
        columns = slice(x, x + self.size)
        truth = truth[:, y : y + self.size, columns]
        indices = indices[:, y : y + self.size, columns]
        if mirrored:
            truth, indices = truth[:, :, ::-1], indices[:, :, ::-1]
        return np.ascontiguousarray(truth), np.ascontiguousarray(indices)


@dataclasses.dataclass
class RealMotionExamples(ClipExamples):
    """Windows of real clips as the task `interpolation` takes them: like rendered motion.

    Attributes:
      damage: largest share of the palette's damage that is left in the key frames.
    """

    damage: float = 0.5

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Makes example `index`.

        Returns:
          As `InterpolationExamples`: keys, truth of the frames between, and times; all flows are
          zeros and visible nowhere, as the true motion is not known.
        """
        made = super().__getitem__(index)
        rng = np.random.default_rng([self.seed, index, 1])
        keys = made["truth"][0, [0, -1]]
        if rng.random() < 0.7:
            keys = damaged_keys(rng, keys, rng.uniform(0, self.damage))
        sides = (2, self.size, self.size)
        between = (1, self.num_frames - 2, *sides)
        return {
            "keys": keys[None],
            "truth": made["truth"][:, 1:-1],
            "times": made["times"],
            "flows": np.zeros((1, *sides, 2), np.float32),
            "visible": np.zeros((1, *sides), bool),
            "flows_between": np.zeros((*between, 2), np.float32),
            "visible_between": np.zeros(between, bool),
        }
