"""SuperSlomo's first network on least-squares flow, motions chosen.

Command:
  python -m gif2video_jax.training.train --config=configs/default_interpolator.py --workdir=DIR \
    --config.data.corpus=corpus.zip
The bundled interpolator is this without the network: after 641 steps of 4 scenes (13 minutes on two
CPU cores) it gained nothing on real clips, for half of the time that motion took (docs/results.md).
To use what is trained here, export it as interpolator.safetensors.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return ml_collections.ConfigDict(
        {
            "task": "interpolation",
            "seed": 0,
            "num_steps": 1_500,
            "model": {
                "max_flow": 30.0,
                "pyramid_iterations": 8,
                "difference_gain": 8.0,
                "choose_motion": "likelihood",
                "agreeing_bands": 3,
                "unet": {
                    "stage_channels": (32, 64, 96, 128),
                    "up_channels": (96, 64, 32),
                    "kernel_sizes": (3, 3, 3, 3),
                    "norm": "none",
                    "negative_slope": 0.1,
                    "upsampling": "bilinear",
                    "residual_stages": True,
                    "stem_factor": 4,
                    "head": "bilinear",
                    "zero_head": True,
                },
            },
            "losses": {"warp": 0.1, "smooth": 0.1, "flow": 0.5},
            "optimizer": {
                "learning_rate": 4e-4,
                "schedule": "cosine",
                "warmup_steps": 100,
                "b1": 0.9,
                "b2": 0.99,
                "epsilon": 1e-8,
                "weight_decay": 0.0,
                "clip_norm": 10.0,
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
