"""The bundled inpainter: a small CombCN that sees other frames in its holes.

Command:
  python -m gif2video_jax.training.train --config=configs/combcn_default.py --workdir=DIR \
    --config.data.source=packed:corpus.zip
Data:
  the open corpus: 20 % its clips, 40 % its stills at rest, 40 % motion rendered from them; boxes,
  strokes, text, logos
Hardware and cost:
  docs/inpainting.md
"""

import ml_collections

from gif2video_jax.training import inpainting_configs


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return inpainting_configs.default()
