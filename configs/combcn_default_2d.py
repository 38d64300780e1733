"""What the bundled inpainter is held against: its 2D network alone, without guidance.

Command:
  python -m gif2video_jax.training.train --config=configs/combcn_default_2d.py --workdir=DIR \
    --config.data.source=packed:corpus.zip
Data, hardware and cost:
  as combcn_default.py
"""

import ml_collections

from gif2video_jax.training import inpainting_configs


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return inpainting_configs.default(
        losses={"combined": 1.0},
        model={"guidance": False, "fill": "smooth"},
    )
