"""CCDNet-2 without a GAN on GIF-Faces, no dither.

Commands:
  First unroll 2, then, from its end and with the schedule anew, unroll 1:
  python -m gif2video_jax.training.train --config=configs/ccdnet2_faces_nodither.py \
    --workdir=DIR1 --config.base.workdir=WORKDIR_OF_ccdnet1_faces_nodither
  and the same with --workdir=DIR2 --config.model.unroll=1 --config.initial_checkpoint=DIR1
Data:
  gif_faces/g32_nodither (docs/data.md)
Hardware and cost:
  two stages of 60 epochs of 1716 steps of 8 frames, on a GPU; not run by us
  (steps a second on other hardware: benchmarks/training.py).
Expected result:
  The paper's: PSNR / SSIM 34.06 / .929 on 104 validation videos; the GIF has 30.99 / .868.
"""

import ml_collections

from gif2video_jax.training import paper_configs


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return paper_configs.ccdnet2("faces", dither=False, gan=False, requantize=True)
