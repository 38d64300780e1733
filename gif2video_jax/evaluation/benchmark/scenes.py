"""Made scenes: a picture that stands still while something moves across it.

Each GIF frame has a palette of its own, so that what stands still flickers.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from gif2video_jax.evaluation.benchmark.flicker import Flicker, flicker, still_parts, still_scene
from gif2video_jax.evaluation.benchmark.gif_kinds import GifKind, make_gif
from gif2video_jax.evaluation.benchmark.inputs import Still
from gif2video_jax.evaluation.benchmark.ours import Restorer


@dataclasses.dataclass(frozen=True)
class ScenesRow:
    """Flicker of still areas in made scenes, for one kind of GIF.

    Attributes:
      kind: of GIF.
      names: of the pictures that stand still.
      gif: of each scene's GIF.
      ours: of what our model made of it.
    """

    kind: GifKind
    names: list[str]
    gif: list[Flicker]
    ours: list[Flicker]

    @property
    def means(self) -> tuple[float, float]:
        """The GIF's and our mean level."""
        gif, ours = ([one.level for one in found] for found in (self.gif, self.ours))
        return float(np.mean(gif)), float(np.mean(ours))

    def as_dict(self) -> dict:
        """Plain values for JSON."""
        return {**dataclasses.asdict(self), "kind": self.kind.name}


def measure_scenes(
    kind: GifKind, stills: Sequence[Still], restorer: Restorer, num_frames: int
) -> ScenesRow:
    """Makes a scene of each picture, with the next one's middle moving across, and measures it."""
    found: list[tuple[Flicker, Flicker]] = []
    for index, still in enumerate(stills):
        moving = stills[(index + 1) % len(stills)].truth
        truth = still_scene(still.truth, moving, num_frames)
        frames, _ = make_gif(truth, kind)
        parts = still_parts(truth)
        ours = restorer(frames).frames
        found.append((flicker([frame.rgb for frame in frames], parts), flicker(ours, parts)))
    names = [still.name for still in stills]
    return ScenesRow(kind, names, [gif for gif, _ in found], [ours for _, ours in found])
