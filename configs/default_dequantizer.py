"""The bundled dequantiser: a small residual CCDNet-1 for every kind of GIF.

Command:
  python -m gif2video_jax.training.train --config=configs/default_dequantizer.py --workdir=DIR \
    --config.data.corpus=corpus.zip
The bundled network started from a wider one, narrowed (gif2video_jax/training/narrowing.py), and
ended on a corpus packed with --max-side 2048, the last 18,000 steps with --config.losses.l1=0.0
--config.losses.gradient=0.25 --config.losses.log_squared=0.005. Cost and result: docs/results.md,
default.md. No GIF of its training was compressed lossily; a fifth are now, and so they were for
dequantizer_lossy, which went on from it with those losses, --config.model.unet.dtype=float32
--config.optimizer.learning_rate=2e-4 --config.optimizer.warmup_steps=100 --config.num_steps=1800.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return ml_collections.ConfigDict(
        {
            "task": "dequantization",
            "seed": 0,
            "num_steps": 20_000,
            "model": {
                "composition": "residual",
                "geometry_channels": 12,
                "geometry_gain": 8.0,
                "detail_gain": 16.0,
                "unet": {
                    "stage_channels": (48, 80, 128),
                    "up_channels": (80, 48),
                    "kernel_sizes": (3, 3, 3),
                    "norm": "none",
                    "negative_slope": 0.1,
                    "residual_stages": True,
                    "stage_blocks": (0, 1, 1),
                    "up_blocks": (1, 1),
                    "upsampling": "transposed_narrow",
                    "stem_factor": 2,
                    "zero_head": True,
                    "dtype": "bfloat16",
                },
            },
            "losses": {"l1": 1.0, "gradient": 0.5, "charbonnier": 0.0, "log_squared": 0.0},
            "optimizer": {
                "learning_rate": 4e-4,
                "schedule": "cosine",
                "warmup_steps": 200,
                "b1": 0.9,
                "b2": 0.99,
                "epsilon": 1e-8,
                "weight_decay": 0.0,
                "clip_norm": 1.0,
            },
            "ema_decay": 0.999,
            "data": {
                "corpus": "corpus.zip",
                "examples_per_batch": 6,
                "patch_size": 64,
                "patches_per_frame": 4,
                "recipe": "wild",
                "drawn_share": 0.04,
                "photograph_share": 0.65,
                "smallest_window": 0.2,
            },
            "num_workers": 1,
            "validation_batches": 16,
            "log_every": 100,
            "evaluate_every": 250,
            "checkpoint_every_seconds": 180.0,
            "initial_checkpoint": "",
        }
    )
