"""Examples for inpainting: clips, real ones and rendered motion, with the holes of `masks`."""

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


@dataclasses.dataclass
class InpaintingExamples:
    """Clips of a corpus and layered motion rendered from its stills, each with a hole.

    Attributes:
      corpus: what to read, see `sources.open_source`; a path alone is a packed corpus.
      split: of the corpus.
      seed: two makers of one seed give the same examples.
      size: side of the square frames, pixels.
      num_frames: of each clip.
      masks: one of `masks.MASK_KINDS`.
      real_share: share of examples from real clips. Above 0, a corpus without clips in this split
        gives rendered motion instead, unless the share is 1.
      max_motion: most pixels that rendered points move from frame to frame.
      sampling: of real clips, see `sampling.draw`.
      flips: real clips are mirrored and played backwards at random.
    """

    corpus: str
    split: str = "train"
    seed: int = 0
    size: int = 128
    num_frames: int = 32
    masks: str = "box_fixed"
    real_share: float = 1.0
    max_motion: float = 6.0
    sampling: str = "random"
    flips: bool = True

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
        if self.num_frames < 1 or self.size < 8:
            raise InputError(
                "config.data: expected num_frames of 1 or more and a size of 8 or more, "
                f"got {self.num_frames} and {self.size}"
            )
        self._stills = self._clips = None
        if self.real_share < 1:
            self._stills = open_source(self.corpus, split=self.split, kind="still")
        if self.real_share > 0:
            try:
                self._clips = open_source(self.corpus, split=self.split, kind="clip")
            except InputError:
                if self._stills is None:
                    raise

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Makes example `index`.

        Returns:
          With t frames of side s: truth uint8 (1, t, s, s, 3), and mask bool (1, t, s, s), True in
          holes.
        """
        rng = np.random.default_rng([self.seed, index])
        real = rng.random() < self.real_share
        if self._clips is not None and (real or self._stills is None):
            truth = self._real(rng, index)
        else:
            truth = self._rendered(rng)
        mask = random_masks(rng, self.num_frames, self.size, self.size, self.masks)
        return {"truth": truth[None], "mask": mask[None]}

    def _rendered(self, rng: np.random.Generator) -> UInt8[np.ndarray, "t s s 3"]:
        source = self._stills
        assert source is not None

        def draw_picture(generator: np.random.Generator) -> UInt8[np.ndarray, "h w 3"]:
            item = source.random_item(generator)
            return source.frame(item, int(generator.integers(item.num_frames)))

        # A unit of a scene's time is four frames, so that motion bends and brakes within a clip.
        duration = max(1, self.num_frames - 1) / 4
        options = SceneOptions(max_motion=4 * self.max_motion, duration=duration, max_layers=3)
        scene = random_scene(rng, draw_picture, height=self.size, width=self.size, options=options)
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
        frames = self._cropped(rng, frames)
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
