"""The paper's experiments as configs; the files in `configs/` say which one, and what it costs.

Data, optimisers and schedules are those of the authors' training code. An epoch is counted in steps
here: `steps_per_epoch` of the data set and of the share of its frames that an epoch sees.

Where the authors' code says nothing, decided here: the batch of interpolation on moments is that of
faces, 8 clips; there is no moving average of the parameters (`ema_decay` 0); crops of moments are
256 pixels; validation during training looks at 16 batches (`--mode=evaluate` at everything).
"""

from typing import Any

import ml_collections

BATCH = 8
PATCH = 256
FRAMES = {"faces": 457_788}
VIDEOS = {"faces": 883, "moments": 60_838}
THRESHOLDS = {"faces": 25.0, "moments": 40.0}  # of the outlier rule, at the start
_KINDS = {False: "nodither", True: "dither"}

COLOUR_UNET = {
    "stage_channels": (64, 128, 256, 512, 512),
    "up_channels": (256, 128, 64, 64),
    "kernel_sizes": (3, 3, 3, 3, 3),
    "norm": "batch",
    "negative_slope": 0.0,
    "upsampling": "transposed",
    "dtype": "float32",
}
FLOW_UNET = {
    "stage_channels": (32, 64, 128, 256, 512, 512),
    "up_channels": (512, 256, 128, 64, 32),
    "kernel_sizes": (7, 5, 3, 3, 3, 3),
    "norm": "none",
    "negative_slope": 0.1,
    "upsampling": "bilinear_aligned",
    "dtype": "float32",
}


def ccdnet1(data: str, *, dither: bool | tuple[bool, ...], gan: bool) -> ml_collections.ConfigDict:
    """CCDNet-1.

    Args:
      data: "faces" or "moments".
      dither: whether the GIFs are dithered; (True, False) for both kinds together.
      gan: with a discriminator.
    """
    epoch = steps_per_epoch(data, 0.1)
    return ml_collections.ConfigDict(
        _common("dequantization")
        | {
            "num_steps": (30 if gan else 60) * epoch,
            "model": {"composition": "tanh", "unet": dict(COLOUR_UNET)},
            "losses": {"l1": 100.0, "gradient": 200.0, "charbonnier": 0.0, "log_squared": 0.0},
            "adversarial": _adversarial(gan),
            "optimizer": _colour_optimizer(gan, epoch),
            "data": _frames(data, dither),
            "evaluate_every": epoch,
        }
    )


def ccdnet2(data: str, *, dither: bool, gan: bool, requantize: bool) -> ml_collections.ConfigDict:
    """CCDNet-2's second network, first stage: unroll 2. The second one has unroll 1.

    Args:
      data: "faces".
      dither: whether the GIFs are dithered.
      gan: with a discriminator.
      requantize: whether the second network sees the result's nearest palette colours.
    """
    epoch = steps_per_epoch(data, 0.03)
    return ml_collections.ConfigDict(
        _common("refinement")
        | {
            "num_steps": (40 if gan else 60) * epoch,
            "model": {"unroll": 2, "requantize": requantize, "unet": dict(COLOUR_UNET)},
            "base": {"weights": "", "workdir": ""},
            "losses": {"l1": 100.0, "gradient": 200.0, "charbonnier": 0.0, "log_squared": 0.0},
            "adversarial": _adversarial(gan),
            "optimizer": _colour_optimizer(gan, epoch),
            "data": _frames(data, dither),
            "evaluate_every": epoch,
        }
    )


def interpolation(data: str, *, mode: str) -> ml_collections.ConfigDict:
    """SuperSlomo on undithered GIFs, behind a frozen CCDNet-1.

    Args:
      data: "faces", clips of 9 frames, or "moments", clips of 5.
      mode: "joint", or "sequential", which starts from the joint network.
    """
    num_frames = {"faces": 9, "moments": 5}[data]
    epoch = VIDEOS[data] // BATCH
    epochs, drops = {
        ("faces", "joint"): (800, (400, 600)),
        ("faces", "sequential"): (500, (200, 400)),
        ("moments", "joint"): (60, (40, 50)),
    }[data, mode]
    return ml_collections.ConfigDict(
        _common("clip_interpolation")
        | {
            "mode": mode,
            "num_steps": epochs * epoch,
            "model": {"max_flow": 30.0, "unet": dict(FLOW_UNET)},
            "base": {
                "kind": "ccdnet1",
                "fields": {"composition": "tanh", "unet": dict(COLOUR_UNET)},
                "weights": "",
                "workdir": "",
            },
            "losses": {"image": 0.5, "gradient": 0.5, "warp": 0.5, "smooth": 1.0},
            "adversarial": _adversarial(True),
            "outliers": {"threshold": THRESHOLDS[data], "steps_per_epoch": epoch},
            "optimizer": {
                "learning_rate": 1e-4,
                "schedule": "step",
                "drop_at": tuple(drop * epoch for drop in drops),
                "warmup_steps": 0,
                "b1": 0.9,
                "b2": 0.999,
                "epsilon": 1e-8,
                "weight_decay": 1e-4,
                "clip_norm": 1.0,
            },
            "data": {
                "source": f"tfds:gif_{data}/g32_nodither",
                "examples_per_batch": BATCH,
                "size": PATCH,
                "num_frames": num_frames,
                "step": 1,
                "recipe": "stored",
                "augmentation": "crop",
                "sampling": "videos",
            },
            "evaluation": {"stride": {"faces": num_frames, "moments": 10}[data]},
            "evaluate_every": 10 * epoch if data == "faces" else epoch,
        }
    )


def steps_per_epoch(data: str, share: float) -> int:
    """Steps of an epoch that sees `share` of the frames (faces) or each video once (moments)."""
    if data == "moments":
        return VIDEOS[data] // BATCH
    return int(FRAMES[data] * share) // BATCH


def _common(task: str) -> dict[str, Any]:
    return {
        "task": task,
        "seed": 0,
        "ema_decay": 0.0,
        "accumulate_steps": 1,
        "num_workers": 8,
        "validation_batches": 16,
        "log_every": 100,
        "checkpoint_every_seconds": 600.0,
        "initial_checkpoint": "",
    }


def _adversarial(gan: bool) -> dict[str, Any]:
    return {
        "kind": "gan" if gan else "none",
        "weight": 1.0,
        "pool_size": 60,
        "channels": (64, 128, 256, 512),
    }


def _colour_optimizer(gan: bool, epoch: int) -> dict[str, Any]:
    schedule: dict[str, Any] = {"learning_rate": 2e-4, "schedule": "constant"}
    if not gan:
        schedule = {"learning_rate": 1e-3, "schedule": "halving", "halve_every": 10 * epoch}
    return schedule | {
        "warmup_steps": 0,
        "b1": 0.5,
        "b2": 0.999,
        "epsilon": 1e-8,
        "weight_decay": 1e-4,
        "clip_norm": 0.0,
    }


def _frames(data: str, dither: bool | tuple[bool, ...]) -> dict[str, Any]:
    """Faces as they are; of each video of moments one random frame, cropped and mirrored."""
    kinds = dither if isinstance(dither, tuple) else (dither,)
    return {
        "source": f"tfds:gif_{data}/" + "+".join(f"g32_{_KINDS[kind]}" for kind in kinds),
        "examples_per_batch": BATCH,
        "patch_size": PATCH,
        "patches_per_frame": 1,
        "recipe": "stored",
        "drawn_share": 0.0,
        "augmentation": {"faces": "none", "moments": "crop"}[data],
        "sampling": {"faces": "frames", "moments": "videos"}[data],
    }
