"""Interpolation on GIF-Faces, joint mode: flows from the GIF, frames from CCDNet-1.

Commands:
  python -m gif2video_jax.training.train --config=configs/interpolation_faces_joint.py \
    --workdir=DIR \
    --config.base.workdir=WORKDIR_OF_ccdnet1_gan_faces_nodither
Data:
  gif_faces/g32_nodither (docs/data.md)
Hardware and cost:
  800 epochs of 110 steps of 8 clips of 9 frames, on a GPU; not run by us
  (steps a second on other hardware: benchmarks/training.py).
Expected result:
  The paper's, PSNR / SSIM from GIF to GIF2Video: T=2 30.02 / .857 -> 33.27 / .921,
  T=4 29.01 / .842 -> 32.08 / .908, T=8 27.41 / .815 -> 30.20 / .884.
"""

import ml_collections

from gif2video_jax.training import paper_configs


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return paper_configs.interpolation("faces", mode="joint")
