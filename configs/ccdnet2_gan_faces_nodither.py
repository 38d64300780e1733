"""CCDNet-2 with a GAN on GIF-Faces, no dither.

Commands:
  The first stage ends after 30 of its 40 epochs, where the second one starts (the rate is
  constant):
  python -m gif2video_jax.training.train --config=configs/ccdnet2_gan_faces_nodither.py \
    --workdir=DIR1 --config.base.workdir=WORKDIR_OF_ccdnet1_gan_faces_nodither \
    --config.num_steps=51480
  and the same with --workdir=DIR2 --config.model.unroll=1 --config.initial_checkpoint=DIR1,
  without --config.num_steps
Data:
  gif_faces/g32_nodither (docs/data.md)
Hardware and cost:
  two stages of 40 epochs of 1716 steps of 8 frames, on a GPU; not run by us
  (steps a second on other hardware: benchmarks/training.py).
Expected result:
  Not published; the GIF has PSNR / SSIM 30.99 / .868 on 104 validation videos (the paper's).
"""

import ml_collections

from gif2video_jax.training import paper_configs


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return paper_configs.ccdnet2("faces", dither=False, gan=True, requantize=True)
