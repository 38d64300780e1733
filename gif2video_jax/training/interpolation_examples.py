"""Examples for interpolation: layered motion rendered from stills, with exact frames and flows."""

import dataclasses

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.datasets.motion_scenes import random_scene
from gif2video_jax.training.recipes import random_recipe
from gif2video_jax.training.sources import open_source


@dataclasses.dataclass
class InterpolationExamples:
    """Two key frames, frames between them, and the motion, from a corpus' stills.

    Each index is one scene of `datasets.motion_scenes`, seen at time 0, at time 1 and at
    `num_times` random times between.

    Attributes:
      corpus: what to read, see `sources.open_source`; a path alone is a packed corpus.
      split: of the corpus.
      seed: two makers of one seed give the same examples.
      size: side of the square frames, pixels.
      num_times: frames between the key frames.
      damage: largest share of the palette's damage that is left in the key frames; the network
        sees dequantised frames, which are never quite right.
    """

    corpus: str
    split: str = "train"
    seed: int = 0
    size: int = 160
    num_times: int = 2
    damage: float = 0.5

    def __post_init__(self):
        """Opens the corpus."""
        self._source = open_source(self.corpus, split=self.split, kind="still")

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Makes example `index`.

        Returns:
          keys uint8 (1, 2, s, s, 3), truth uint8 (1, t, s, s, 3), times float32 (1, t), flows
          float32 (1, 2, s, s, 2) from 0 to 1 and back, and visible bool (1, 2, s, s): where those
          flows hold; flows_between float32 (1, t, 2, s, s, 2) from the frames between to both key
          frames, and visible_between bool (1, t, 2, s, s).
        """
        rng = np.random.default_rng([self.seed, index])

        def draw_picture(generator: np.random.Generator) -> UInt8[np.ndarray, "h w 3"]:
            item = self._source.random_item(generator)
            return self._source.frame(item, int(generator.integers(item.num_frames)))

        scene = random_scene(rng, draw_picture, height=self.size, width=self.size)
        times = np.sort(rng.uniform(0.1, 0.9, self.num_times))
        frames = scene.render([0.0, 1.0, *times])
        flows, visible = zip(scene.flow(0.0, 1.0), scene.flow(1.0, 0.0), strict=True)
        between, seen = zip(*(scene.flow(t, key) for t in times for key in (0.0, 1.0)), strict=True)
        sides = (1, self.num_times, 2, self.size, self.size)
        keys = frames[:2]
        if rng.random() < 0.7:
            keys = damaged_keys(rng, keys, rng.uniform(0, self.damage))
        return {
            "keys": keys[None],
            "truth": frames[None, 2:],
            "times": times[None].astype(np.float32),
            "flows": np.stack(flows)[None],
            "visible": np.stack(visible)[None],
            "flows_between": np.stack(between).reshape(*sides, 2),
            "visible_between": np.stack(seen).reshape(sides),
        }


def damaged_keys(
    rng: np.random.Generator, keys: UInt8[np.ndarray, "2 h w 3"], left: float
) -> UInt8[np.ndarray, "2 h w 3"]:
    """Key frames with a share `left`, 0 to 1, of what a random GIF making does to them."""
    recipe = random_recipe(rng)
    damaged = []
    for key in keys:
        indices, palette = recipe.make(key, stride=2)
        error = palette.colors[indices].astype(np.float32) - key
        damaged.append(np.clip(np.round(key + left * error), 0, 255).astype(np.uint8))
    return np.stack(damaged)
