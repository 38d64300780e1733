"""A dequantiser twice as wide as the bundled one, and deeper, that starts as the bundled one.

Commands:
  python -m gif2video_jax.training.widening --config configs/wide_dequantizer.py \
    --weights gif2video_jax/weights/default.dequantizer.safetensors --output wide.safetensors
  python -m gif2video_jax.training.train --config=configs/wide_dequantizer.py --workdir=DIR \
    --config.data.corpus=corpus.zip --config.initial_checkpoint=wide.safetensors
Data:
  the open corpus, packed with --max-side 2048
Hardware and cost:
  5.5 M parameters, four times the arithmetic; 0.7 to 1 s a step on two cores with matrix units,
  half of it for making GIFs. It wants a GPU.
Expected result:
  after 4,158 of the steps below 0.03 dB more than the bundled one, on training pictures as on
  others (docs/results.md): too few to be worth its time, and no sign of learning by heart.
"""

import pathlib

import ml_collections

from gif2video_jax.training.trained import load_config


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    config = load_config(pathlib.Path(__file__).with_name("default_dequantizer.py"))
    config.num_steps = 5_600
    config.model.unet.stage_channels = (96, 160, 256)
    config.model.unet.up_channels = (160, 96)
    config.model.unet.up_blocks = (2, 2)
    config.losses.update(l1=0.0, gradient=0.25, log_squared=0.005)
    config.optimizer.update(learning_rate=3e-4, warmup_steps=100)
    # A patch of 64 pixels is small for its reach; GIFs compressed lossily have a network of their
    # own.
    config.data.update(patch_size=96, patches_per_frame=2, recipe="wild_lossless")
    config.validation_batches = 24
    config.evaluate_every = 500
    return config
