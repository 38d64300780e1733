"""An ablation of CombCN: the 3DCN at a quarter of the size instead of half.

Command:
  python -m gif2video_jax.training.train --config=configs/combcn_faces_ratio4.py --workdir=DIR
Data:
  the true frames of gif_faces/g32_nodither (docs/data.md)
Hardware and cost:
  150,000 steps of 4 clips of 32 frames of 128x128, on a GPU; not run by us
Expected result:
  The paper's mean L1 of 300VW, 3DCN / CombCN: 9.51 / 6.39, against 4.45 / 4.20 at half.
"""

import ml_collections

from gif2video_jax.training import inpainting_configs


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return inpainting_configs.paper(model={"ratio": 4})
