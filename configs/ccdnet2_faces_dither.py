"""CCDNet-2 without a GAN on GIF-Faces, Floyd-Steinberg, without re-quantised input.

Commands:
  First unroll 2, then, from its end and with the schedule anew, unroll 1:
  python -m gif2video_jax.training.train --config=configs/ccdnet2_faces_dither.py \
    --workdir=DIR1 --config.base.workdir=WORKDIR_OF_ccdnet1_faces_dither
  and the same with --workdir=DIR2 --config.model.unroll=1 --config.initial_checkpoint=DIR1
Data:
  gif_faces/g32_dither (docs/data.md)
Hardware and cost:
  two stages of 60 epochs of 1716 steps of 8 frames, on a GPU; not run by us
  (steps a second on other hardware: benchmarks/training.py).
Expected result:
  The paper's: PSNR / SSIM 35.40 / .954 on 104 validation videos; the GIF has 28.21 / .746.
  (with a mis-initialised base, say the authors)
"""

import ml_collections

from gif2video_jax.training import paper_configs


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return paper_configs.ccdnet2("faces", dither=True, gan=False, requantize=False)
