"""The paper's training, made small enough for tests: a network with BatchNorm, and a game."""

import pathlib
from typing import Any


def small_config(corpus: str, **fields: Any) -> dict[str, Any]:
    """CCDNet-1 with BatchNorm and a discriminator on 32x32 patches, eight a batch."""
    return {
        "task": "dequantization",
        "seed": 0,
        "num_steps": 3,
        "model": {
            "composition": "tanh",
            "unet": {
                "stage_channels": [4, 6],
                "up_channels": [4],
                "kernel_sizes": [3, 3],
                "norm": "batch",
            },
        },
        "losses": {"l1": 100.0, "gradient": 200.0},
        "adversarial": {"kind": "gan", "weight": 1.0, "pool_size": 8, "channels": [4, 4]},
        "optimizer": {
            "learning_rate": 1e-4,
            "schedule": "constant",
            "warmup_steps": 0,
            "b1": 0.5,
            "b2": 0.999,
            "epsilon": 1e-8,
            "weight_decay": 1e-4,
            "clip_norm": 0.0,
        },
        "ema_decay": 0.9,
        "data": {
            "corpus": corpus,
            "examples_per_batch": 4,
            "patch_size": 32,
            "patches_per_frame": 2,
            "recipe": "16/median_cut/none",
            "drawn_share": 0.0,
        },
        "num_workers": 0,
        "validation_batches": 1,
        "log_every": 1,
        "evaluate_every": 1000,
        "checkpoint_every_seconds": 1e9,
        "checkpoint_every_steps": 0,
        "initial_checkpoint": "",
        "tensorboard": False,
    } | fields


def write_config(path: pathlib.Path, fields: dict[str, Any]) -> str:
    """A config file with these fields."""
    path.write_text(
        "import ml_collections\n\n\ndef get_config():\n"
        f"    return ml_collections.ConfigDict({fields!r})\n"
    )
    return str(path)
