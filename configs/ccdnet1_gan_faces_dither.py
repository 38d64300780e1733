"""CCDNet-1 with a GAN on GIF-Faces, Floyd-Steinberg.

Commands:
  python -m gif2video_jax.training.train --config=configs/ccdnet1_gan_faces_dither.py \
    --workdir=DIR
  and --config.adversarial.kind=lsgan for LSGAN
Data:
  gif_faces/g32_dither (docs/data.md)
Hardware and cost:
  30 epochs of 5722 steps of 8 frames, on a GPU; not run by us
  (steps a second on other hardware: benchmarks/training.py).
Expected result:
  The paper's: PSNR / SSIM 33.68 / .940 on 104 validation videos; the GIF has 28.21 / .746.
"""

import ml_collections

from gif2video_jax.training import paper_configs


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return paper_configs.ccdnet1("faces", dither=True, gan=True)
