"""The bundled dither classifier: none, error diffusion or ordered, from a patch.

Command:
  python -m gif2video_jax.training.train --config=configs/default_dither_classifier.py \
    --workdir=DIR --config.data.source=packed:corpus.zip
Hardware and cost, result: see docs/results.md.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    """The config."""
    return ml_collections.ConfigDict(
        {
            "task": "dither_classification",
            "seed": 0,
            "num_steps": 400,
            "model": {"channels": (16, 24, 32), "hidden": 32},
            "losses": {"cross_entropy": 1.0},
            "optimizer": {
                "learning_rate": 2e-3,
                "schedule": "cosine",
                "warmup_steps": 30,
                "b1": 0.9,
                "b2": 0.99,
                "epsilon": 1e-8,
                "weight_decay": 0.0,
                "clip_norm": 1.0,
            },
            "ema_decay": 0.98,
            "data": {
                "source": "packed:corpus.zip",
                "examples_per_batch": 16,
                "patch_size": 64,
                "patches_per_frame": 4,
                "art_share": 0.15,
                "uses": 4,
            },
            "num_workers": 1,
            "validation_batches": 4,
            "log_every": 20,
            "evaluate_every": 100,
            "checkpoint_every_seconds": 120.0,
            "keep_best_metric": "validation_accuracy",
            "initial_checkpoint": "",
            "tensorboard": False,
        }
    )
