"""CCDNet-1 with a GAN on GIF-Moments, no dither, started from faces.

Commands:
  python -m gif2video_jax.training.train --config=configs/ccdnet1_gan_moments_nodither.py \
    --workdir=DIR \
    --config.initial_checkpoint=WORKDIR_OF_ccdnet1_gan_faces_nodither
Data:
  gif_moments/g32_nodither (docs/data.md)
Hardware and cost:
  30 epochs of 7604 steps of 8 crops, on a GPU; not run by us
  (steps a second on other hardware: benchmarks/training.py).
Expected result:
  Not in our table of published figures.
"""

import ml_collections

from gif2video_jax.training import paper_configs


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return paper_configs.ccdnet1("moments", dither=False, gan=True)
