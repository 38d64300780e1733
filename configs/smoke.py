"""A small dequantiser on the open corpus: does training work on this machine?

Commands:
  python -m gif2video_jax.datasets.open_corpus pack --help     # makes corpus.zip
  python -m gif2video_jax.training.train --config=configs/smoke.py --workdir=DIR \
    --config.data.source=packed:corpus.zip
  python -m gif2video_jax.training.evaluation --workdir=DIR
Hardware and cost:
  about 0.3 seconds of one core a step (measured): two minutes on two free cores.
Expected result:
  validation PSNR 31.24 dB, 2.56 dB above the GIF's (measured; Floyd-Steinberg, 32 colours).
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return ml_collections.ConfigDict(
        {
            "task": "dequantization",
            "seed": 0,
            "num_steps": 500,
            "model": {
                "composition": "residual",
                "detail_gain": 16.0,
                "unet": {
                    "stage_channels": (16, 24, 32),
                    "up_channels": (24, 16),
                    "kernel_sizes": (3, 3, 3),
                    "norm": "none",
                    "negative_slope": 0.1,
                    "residual_stages": True,
                    "zero_head": True,
                    "dtype": "float32",
                },
            },
            "losses": {"l1": 1.0, "gradient": 0.5, "charbonnier": 0.0, "log_squared": 0.0},
            "optimizer": {
                "learning_rate": 2e-3,
                "schedule": "cosine",
                "warmup_steps": 50,
                "b1": 0.9,
                "b2": 0.99,
                "epsilon": 1e-8,
                "weight_decay": 0.0,
                "clip_norm": 1.0,
            },
            "ema_decay": 0.98,
            "data": {
                "source": "packed:corpus.zip",
                "examples_per_batch": 4,
                "patch_size": 48,
                "patches_per_frame": 4,
                "recipe": "32/median_cut/floyd_steinberg",
                "drawn_share": 0.0,
            },
            "num_workers": 1,
            "validation_batches": 8,
            "log_every": 50,
            "evaluate_every": 250,
            "checkpoint_every_seconds": 60.0,
            "initial_checkpoint": "",
        }
    )
