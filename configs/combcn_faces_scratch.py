"""An ablation of CombCN: both networks train jointly from the first step on.

Command:
  python -m gif2video_jax.training.train --config=configs/combcn_faces_scratch.py --workdir=DIR
Data:
  the true frames of gif_faces/g32_nodither (docs/data.md)
Hardware and cost:
  100,000 steps of 4 clips of 32 frames of 128x128, on a GPU; not run by us
Expected result:
  The paper's mean L1 of 300VW, 3DCN / CombCN: 9.28 / 6.31, against 4.45 / 4.20 in two steps.
"""

import ml_collections

from gif2video_jax.training import inpainting_configs


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return inpainting_configs.paper(
        num_steps=inpainting_configs.JOINT_STEPS, volume_steps=0
    )
