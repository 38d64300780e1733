"""CombCN on faces as the paper trains it: the 3DCN first, then both jointly.

Command:
  python -m gif2video_jax.training.train --config=configs/combcn_faces.py --workdir=DIR
Data:
  the true frames of gif_faces/g32_nodither (docs/data.md)
Hardware and cost:
  150,000 steps of 4 clips of 32 frames of 128x128, on a GPU; not run by us
Expected result:
  The paper's mean L1 of FaceForensics in levels of 255: 6.27 (300VW: 4.20).
"""

import ml_collections

from gif2video_jax.training import inpainting_configs


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return inpainting_configs.paper()
