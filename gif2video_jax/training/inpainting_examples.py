"""Examples for inpainting: clips, rendered motion and stills at rest, with the holes of `masks`."""

import collections
import dataclasses

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from gif2video_jax.datasets.motion_scenes import SceneOptions, random_scene
from gif2video_jax.errors import InputError
from gif2video_jax.training.masks import MASK_KINDS, random_masks
from gif2video_jax.training.sampling import check_sampling, draw
from gif2video_jax.training.sources import open_source

# Real clips are made smaller until their short side is up to this much longer than the crop.
_MAX_ROOM = 1.8
# Parts of stills are at least this share of the short side; small shares are as likely as large.
_LEAST = 0.15
# How far apart examples of one clip are, and so of how many clips batches at a time consist.
_APART = 32


@dataclasses.dataclass
class InpaintingExamples:
    """Clips of a corpus, its stills at rest and motion rendered from them, each with a hole.

    Attributes:
      corpus: what to read, see `sources.open_source`; a path alone is a packed corpus.
      split: of the corpus.
      seed: two makers of one seed give the same examples.
      size: side of the square frames, pixels.
      num_frames: of each clip.
      masks: one of `masks.MASK_KINDS`.
      real_share: share of examples from real clips. Above 0, a corpus without clips in this split
        gives rendered motion instead, unless the share is 1. Without stills, frames of clips are
        the pictures.
      still_share: share of the other examples that are a still's part at rest, not rendered motion.
      max_motion: most pixels that rendered points move from frame to frame.
      sampling: of real clips, see `sampling.draw`.
      flips: real clips are mirrored and played backwards at random; so are all when they are used
        more than once.
      uses: how many examples share a clip, each with a hole of its own: drawing a hole costs much
        less than rendering motion. Neighbouring examples are of different clips.
    """

    corpus: str
    split: str = "train"
    seed: int = 0
    size: int = 128
    num_frames: int = 32
    masks: str = "box_fixed"
    real_share: float = 1.0
    still_share: float = 0.0
    max_motion: float = 6.0
    sampling: str = "random"
    flips: bool = True
    uses: int = 1

    def __post_init__(self):
        """Opens the corpus.

        Raises:
          InputError: if it does not serve, or a field is out of range.
        """
        check_sampling(self.sampling)
        if self.masks not in MASK_KINDS:
            raise InputError(
                f"config.data.masks: expected one of {', '.join(MASK_KINDS)}, got {self.masks!r}"
            )
        if not 0 <= self.real_share <= 1:
            raise InputError(f"config.data.real_share: expected 0 to 1, got {self.real_share}")
        if not 0 <= self.still_share <= 1:
            raise InputError(f"config.data.still_share: expected 0 to 1, got {self.still_share}")
        if self.num_frames < 1 or self.size < 8:
            raise InputError(
                "config.data: expected num_frames of 1 or more and a size of 8 or more, "
                f"got {self.num_frames} and {self.size}"
            )
        if self.uses < 1:
            raise InputError(f"config.data.uses: expected 1 or more, got {self.uses}")
        self._stills = self._clips = None
        self._kept: collections.OrderedDict[int, np.ndarray] = collections.OrderedDict()
        if self.real_share > 0:
            try:
                self._clips = open_source(self.corpus, split=self.split, kind="clip")
            except InputError:
                if self.real_share == 1:
                    raise
        if self.real_share < 1:
            try:
                self._stills = open_source(self.corpus, split=self.split, kind="still")
            except InputError:
                if self._clips is None:
                    raise
                self._stills = self._clips  # whose frames are pictures, too

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Makes example `index`.

        Returns:
          With t frames of side s: truth uint8 (1, t, s, s, 3), and mask bool (1, t, s, s), True in
          holes.
        """
        rng = np.random.default_rng([self.seed, index])
        if self.uses == 1:
            truth = self._clip(rng, index)
        else:
            truth = self._mirrored(rng, self._used_clip(index))
        mask = random_masks(rng, self.num_frames, self.size, self.size, self.masks)
        return {"truth": truth[None], "mask": mask[None]}

    def _used_clip(self, index: int) -> UInt8[np.ndarray, "t s s 3"]:
        """The clip that an example shares with those `_APART`, twice that, ... further on."""
        round_number, place = divmod(index, _APART)
        number = round_number // self.uses * _APART + place
        if number not in self._kept:
            # Another seed than that of the examples: two numbers, and then a third.
            self._kept[number] = self._clip(np.random.default_rng([self.seed, number, 1]), number)
            if len(self._kept) > _APART:
                self._kept.popitem(last=False)
        return self._kept[number]

    def _clip(self, rng: np.random.Generator, index: int) -> UInt8[np.ndarray, "t s s 3"]:
        real = rng.random() < self.real_share
        if self._clips is not None and (real or self._stills is None):
            return self._real(rng, index)
        # Without a share nothing is drawn: examples stay those of before there was one.
        if self.still_share and rng.random() < self.still_share:
            return self._at_rest(rng)
        return self._rendered(rng)

    def _picture(self, rng: np.random.Generator) -> UInt8[np.ndarray, "h w 3"]:
        source = self._stills
        assert source is not None
        item = source.random_item(rng)
        return source.frame(item, int(rng.integers(item.num_frames)))

    def _at_rest(self, rng: np.random.Generator) -> UInt8[np.ndarray, "t s s 3"]:
        """A random square of a still, from `_LEAST` of its short side on, in all frames."""
        image = Image.fromarray(self._picture(rng))
        short = min(image.size)
        least = min(1.0, max(_LEAST, self.size / short))
        side = max(1, round(short * least ** rng.random()))
        left, top = (int(rng.integers(length - side + 1)) for length in image.size)
        box = (left, top, left + side, top + side)
        part = image.resize((self.size, self.size), Image.Resampling.LANCZOS, box, 2.0)
        return self._mirrored(rng, np.stack([np.asarray(part)] * self.num_frames))

    def _rendered(self, rng: np.random.Generator) -> UInt8[np.ndarray, "t s s 3"]:
        # A unit of a scene's time is four frames, so that motion bends and brakes within a clip.
        duration = max(1, self.num_frames - 1) / 4
        options = SceneOptions(max_motion=4 * self.max_motion, duration=duration, max_layers=3)
        scene = random_scene(rng, self._picture, height=self.size, width=self.size, options=options)
        return scene.render((np.arange(self.num_frames) / 4).tolist())

    def _real(self, rng: np.random.Generator, index: int) -> UInt8[np.ndarray, "t s s 3"]:
        source = self._clips
        assert source is not None
        item, start = draw(
            source,
            rng,
            sampling=self.sampling,
            seed=self.seed,
            index=index,
            num_frames=self.num_frames,
        )
        frames = source.frames(item, range(start, start + self.num_frames))
        return self._mirrored(rng, self._cropped(rng, frames))

    def _mirrored(self, rng: np.random.Generator, frames: UInt8[np.ndarray, "t s s 3"]):
        if self.flips and rng.random() < 0.5:
            frames = frames[:, :, ::-1]
        if self.flips and rng.random() < 0.5:
            frames = frames[::-1]
        return np.ascontiguousarray(frames)

    def _cropped(self, rng: np.random.Generator, frames: UInt8[np.ndarray, "t h w 3"]):
        """A random square of all frames at a random scale; never made larger than need be."""
        height, width = frames.shape[1:3]
        short = min(height, width)
        if short < self.size and self.size / short > 2:
            raise InputError(f"{self._clips}: clips of {width}x{height} are too small")
        window = short if short <= self.size else self.size * rng.uniform(1, _MAX_ROOM)
        window = int(min(window, short))
        y, x = rng.integers(height - window + 1), rng.integers(width - window + 1)
        frames = frames[:, y : y + window, x : x + window]
        if window == self.size:
            return frames
        size = (self.size, self.size)
        return np.stack(
            [
                np.asarray(
                    Image.fromarray(np.ascontiguousarray(frame)).resize(
                        size, Image.Resampling.BICUBIC
                    )
                )
                for frame in frames
            ]
        )
