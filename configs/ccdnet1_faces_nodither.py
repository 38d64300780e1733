"""CCDNet-1 without a GAN on GIF-Faces, no dither.

Commands:
  python -m gif2video_jax.training.train --config=configs/ccdnet1_faces_nodither.py \
    --workdir=DIR
Data:
  gif_faces/g32_nodither (docs/data.md)
Hardware and cost:
  60 epochs of 5722 steps of 8 frames, on a GPU; not run by us
  (steps a second on other hardware: benchmarks/training.py).
Expected result:
  The paper's: PSNR / SSIM 32.83 / .918 on 104 validation videos; the GIF has 30.99 / .868.
"""

import ml_collections

from gif2video_jax.training import paper_configs


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return paper_configs.ccdnet1("faces", dither=False, gan=False)
