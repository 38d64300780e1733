"""The paper's baseline on faces: the 2D network of CombCN alone, without guidance.

Command:
  python -m gif2video_jax.training.train --config=configs/combcn_faces_2d.py --workdir=DIR
Data:
  the true frames of gif_faces/g32_nodither (docs/data.md)
Hardware and cost:
  100,000 steps of 4 clips of 32 frames of 128x128, on a GPU; not run by us
Expected result:
  The paper's mean L1 of FaceForensics in levels of 255: 6.77, CombCN 6.27.
"""

import ml_collections

from gif2video_jax.training import inpainting_configs


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return inpainting_configs.paper(
        num_steps=inpainting_configs.JOINT_STEPS,
        volume_steps=0,
        losses={"volume": 0.0, "combined": 1.0},
        model={"guidance": False},
    )
