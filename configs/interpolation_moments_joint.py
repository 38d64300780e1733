"""Interpolation on GIF-Moments, joint mode, started from faces.

Commands:
  python -m gif2video_jax.training.train --config=configs/interpolation_moments_joint.py \
    --workdir=DIR \
    --config.base.workdir=WORKDIR_OF_ccdnet1_gan_moments_nodither \
    --config.initial_checkpoint=WORKDIR_OF_interpolation_faces_joint
Data:
  gif_moments/g32_nodither (docs/data.md)
Hardware and cost:
  60 epochs of 7604 steps of 8 clips of 5 frames, on a GPU; not run by us
  (steps a second on other hardware: benchmarks/training.py).
Expected result:
  Not in our table of published figures.
"""

import ml_collections

from gif2video_jax.training import paper_configs


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return paper_configs.interpolation("moments", mode="joint")
