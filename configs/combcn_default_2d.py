"""The 2D network of the bundled inpainter, without guidance: CombCN's start, and its baseline.

Command:
  python -m gif2video_jax.training.train --config=configs/combcn_default_2d.py --workdir=DIR \
    --config.data.source=packed:corpus.zip
Data:
  single squares of the open corpus' stills, of 0.15 to 1 of the short side; boxes, strokes, text,
  logos
Hardware and cost:
  docs/inpainting.md
"""

import ml_collections

from gif2video_jax.training import inpainting_configs


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return inpainting_configs.stills()
