"""Interpolation on GIF-Faces, sequential mode: flows from CCDNet-1's frames too.

Commands:
  python -m gif2video_jax.training.train --config=configs/interpolation_faces_sequential.py \
    --workdir=DIR \
    --config.base.workdir=WORKDIR_OF_ccdnet1_gan_faces_nodither \
    --config.initial_checkpoint=WORKDIR_OF_interpolation_faces_joint
Data:
  gif_faces/g32_nodither (docs/data.md)
Hardware and cost:
  500 epochs of 110 steps of 8 clips of 9 frames, on a GPU; not run by us
  (steps a second on other hardware: benchmarks/training.py).
Expected result:
  Not in our table of published figures; see interpolation_faces_joint.py.
"""

import ml_collections

from gif2video_jax.training import paper_configs


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return paper_configs.interpolation("faces", mode="sequential")
