"""The bundled interpolator: a small SuperSlomo on least-squares flow, which chooses among motions.

Command:
  python -m gif2video_jax.training.train --config=configs/default_interpolator.py --workdir=DIR \
    --config.data.corpus=corpus.zip
The bundled one's flow net had 641 steps before, in a network that did not choose.
Cost and result: docs/results.md, gif2video_jax/weights/default.md.
"""

from typing import Any

import ml_collections


def _unet(channels: tuple[int, ...], head: str, zero_head: bool) -> dict[str, Any]:
    """A U-Net that works at a quarter of the size."""
    return {
        "stage_channels": channels,
        "up_channels": channels[-2::-1],
        "kernel_sizes": (3, 3, 3, 3),
        "norm": "none",
        "negative_slope": 0.1,
        "upsampling": "bilinear",
        "residual_stages": True,
        "stem_factor": 4,
        "head": head,
        "zero_head": zero_head,
        "dtype": "bfloat16",
    }


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return ml_collections.ConfigDict(
        {
            "task": "interpolation",
            "seed": 0,
            "num_steps": 3_500,
            "model": {
                "max_flow": 30.0,
                "pyramid_iterations": 8,
                "difference_gain": 8.0,
                "choose_motion": True,
                "unet": _unet((32, 64, 96, 128), "bilinear", zero_head=True),
                "refine_unet": _unet((48, 64, 96, 128), "depth_to_space", zero_head=False),
            },
            "losses": {
                "image": 1.0,
                "gradient": 0.5,
                "warp": 0.0,
                "smooth": 0.0,
                "flow": 0.5,
                "flow_between": 0.1,
                "visibility": 0.0,
            },
            "optimizer": {
                "learning_rate": 2e-4,
                "schedule": "cosine",
                "warmup_steps": 100,
                "b1": 0.9,
                "b2": 0.999,
                "weight_decay": 0.0,
                "clip_norm": 5.0,
            },
            "ema_decay": 0.998,
            "data": {
                "corpus": "corpus.zip",
                "examples_per_batch": 4,
                "size": 160,
                "num_times": 2,
                "damage": 0.5,
            },
            "num_workers": 1,
            "validation_batches": 12,
            "log_every": 50,
            "evaluate_every": 250,
            "checkpoint_every_seconds": 180.0,
            "initial_checkpoint": "",
        }
    )
