"""The dequantiser of the bundled model `best`: twice as wide as the default's, and deeper.

Commands:
  python -m gif2video_jax.training.widening --config configs/best_dequantizer.py \
    --weights gif2video_jax/weights/default.dequantizer.safetensors --output wide.safetensors
  python -m gif2video_jax.training.train --config=configs/best_dequantizer.py --workdir=DIR \
    --config.data.corpus=corpus.zip --config.initial_checkpoint=wide.safetensors
It starts as the default's dequantiser. The corpus is packed with --max-side 2048. Cost and result:
docs/results.md, best.md.
"""

import pathlib

import ml_collections

from gif2video_jax.training.trained import load_config


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    config = load_config(pathlib.Path(__file__).with_name("default_dequantizer.py"))
    config.num_steps = 7_000
    config.model.unet.stage_channels = (96, 160, 256)
    config.model.unet.up_channels = (160, 96)
    config.model.unet.up_blocks = (2, 2)
    config.losses.update(l1=0.0, gradient=0.25, log_squared=0.005)
    config.optimizer.update(learning_rate=3e-4, warmup_steps=100)
    # Wider networks see farther than a patch of 64; GIFs compressed lossily have a network of their
    # own, the default model's.
    config.data.update(patch_size=96, patches_per_frame=2, recipe="wild_lossless")
    config.validation_batches = 24
    config.evaluate_every = 500
    return config
