"""The experiments of CombCN as configs; the files in `configs/` say which one, and what it costs.

The paper (Wang, Huang, Han, Wang, AAAI 2019) says of training: Adam, learning rate 1e-3, a
"regression weight" of 0.01, here weight decay; the 3DCN until it converges, then both jointly for
100,000 iterations. Decided here, as it does not say: 50,000 steps for the 3DCN, and a batch of 4
clips.
"""

from typing import Any

import ml_collections

JOINT_STEPS = 100_000
VOLUME_STEPS = 50_000
BATCH = 4


def paper(**changes: Any) -> ml_collections.ConfigDict:
    """The paper's set-up on faces: 32 frames of 128x128, boxes that stand still.

    Args:
      **changes: fields of the config that differ; those of `model` are merged.
    """
    model = {
        "base_channels": 64,
        "volume_channels": 16,
        "dilations": (2, 4, 8, 16),
        "volume_dilations": (2, 4, 8),
        "ratio": 2,
        "guidance": True,
        "stride_time": False,
        "fill": "mean",
        "mean_color": (0.0, 0.0, 0.0),
        "composition": "direct",
        "norm": "batch",
        "negative_slope": 0.0,
        "residual_layers": False,
        "dtype": "float32",
    } | changes.pop("model", {})
    return ml_collections.ConfigDict(
        {
            "task": "inpainting",
            "seed": 0,
            "num_steps": VOLUME_STEPS + JOINT_STEPS,
            "volume_steps": VOLUME_STEPS,
            "freeze_volume": False,
            "frames_per_clip": 0,
            "model": model,
            "losses": {"volume": 1.0, "combined": 1.0},
            "optimizer": {
                "learning_rate": 1e-3,
                "schedule": "constant",
                "warmup_steps": 0,
                "b1": 0.9,
                "b2": 0.999,
                "epsilon": 1e-8,
                "weight_decay": 0.01,
                "clip_norm": 0.0,
            },
            "ema_decay": 0.0,
            "data": {
                "source": "tfds:gif_faces/g32_nodither",
                "examples_per_batch": BATCH,
                "size": 128,
                "num_frames": 32,
                "masks": "box_fixed",
                "real_share": 1.0,
                "still_share": 0.0,
                "sampling": "videos",
            },
            "accumulate_steps": 1,
            "num_workers": 8,
            "validation_batches": 16,
            "log_every": 100,
            "evaluate_every": 5_000,
            "checkpoint_every_seconds": 600.0,
            "initial_checkpoint": "",
            "tensorboard": False,
        }
        | changes
    )


def default(**changes: Any) -> ml_collections.ConfigDict:
    """A small network on the open corpus: the bundled model's set-up, which corrects a fill.

    A quarter of the paper's side and of its dilations: what a fill misses inside a hole is smooth,
    and a hole that is thicker than 16 pixels is corrected at a smaller scale
    (`restoring.inpaint`). Both networks train from the start, the 2D network after its own
    training (`training.guiding`).

    Args:
      **changes: fields of the config that differ; those of `model` and of `data` are merged.
    """
    small = {
        "base_channels": 16,
        "volume_channels": 8,
        "dilations": (1, 1, 2, 4),
        "volume_dilations": (1, 1, 2),
        "fill": "motion",
        "composition": "residual",
        "norm": "none",
        "negative_slope": 0.1,
        "residual_layers": True,
    }
    config = paper(
        num_steps=4_000,
        volume_steps=0,
        frames_per_clip=4,
        ema_decay=0.999,
        num_workers=1,
        validation_batches=32,
        log_every=100,
        evaluate_every=1_000,
        checkpoint_every_seconds=180.0,
        model=small | changes.pop("model", {}),
    )
    config.optimizer.update(
        {
            "learning_rate": 3e-4,
            "schedule": "cosine",
            "warmup_steps": 200,
            "b2": 0.99,
            "weight_decay": 0.0,
            "clip_norm": 1.0,
        }
    )
    data = {
        "source": "packed:corpus.zip",
        "examples_per_batch": 8,
        "size": 32,
        "num_frames": 8,
        "masks": "mixed",
        "real_share": 0.2,
        "still_share": 0.5,
        "max_motion": 3.0,
        "uses": 4,
    }
    config.data = ml_collections.ConfigDict(data | changes.pop("data", {}))
    for name, value in changes.items():
        config[name] = value
    return config


def stills() -> ml_collections.ConfigDict:
    """The 2D network of the bundled model by itself, on single pictures, which need no motion."""
    config = default(
        losses={"combined": 1.0},
        model={"guidance": False, "fill": "lines"},
        data={
            "examples_per_batch": 32,
            "num_frames": 1,
            "real_share": 0.0,
            "still_share": 1.0,
        },
        num_steps=40_000,
        frames_per_clip=0,
    )
    config.optimizer.learning_rate = 1e-3
    return config
