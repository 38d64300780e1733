"""CCDNet-1 with a GAN on GIF-Faces, one network for dithered and undithered GIFs.

The authors released such weights (ccdnet1_gan_faces_dither+nodither_ep30.pt) and no figures of
them. Decided here: every epoch draws from both kinds alike and is as long as with one of them.

Commands:
  python -m gif2video_jax.training.train --config=configs/ccdnet1_gan_faces_dither_nodither.py \
    --workdir=DIR
  and --config.adversarial.kind=lsgan for LSGAN
Data:
  gif_faces/g32_dither and gif_faces/g32_nodither, built by
  `python -m gif2video_jax.datasets.build gif_faces/g32_dither` and the same with g32_nodither
Hardware and cost:
  30 epochs of 5722 steps of 8 frames, on a GPU; not run by us
  (steps a second on other hardware: benchmarks/training.py).
Expected result:
  None published. The paper's networks for one kind each: PSNR / SSIM 33.68 / .940 with dither and
  32.11 / .902 without on 104 validation videos; the GIFs have 28.21 / .746 and 30.99 / .868.
"""

import ml_collections

from gif2video_jax.training import paper_configs


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return paper_configs.ccdnet1("faces", dither=(True, False), gan=True)
