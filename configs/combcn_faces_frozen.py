"""An ablation of CombCN: the 3DCN stays as it is once the 2D network begins.

Command:
  python -m gif2video_jax.training.train --config=configs/combcn_faces_frozen.py --workdir=DIR
Data:
  the true frames of gif_faces/g32_nodither (docs/data.md)
Hardware and cost:
  150,000 steps of 4 clips of 32 frames of 128x128, on a GPU; not run by us
Expected result:
  The paper's mean L1 of 300VW, 3DCN / CombCN: 6.30 / 5.18, against 4.45 / 4.20 jointly.
"""

import ml_collections

from gif2video_jax.training import inpainting_configs


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return inpainting_configs.paper(freeze_volume=True)
