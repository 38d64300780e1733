"""Optimisers and learning-rate schedules of the configs."""

import ml_collections
import optax

SCHEDULES = ("constant", "cosine", "halving", "step")


def make_schedule(config: ml_collections.ConfigDict, num_steps: int) -> optax.Schedule:
    """Builds the learning rate over steps from `config.optimizer`.

    Fields: `learning_rate`, `schedule` ("constant", "cosine" to zero, "halving" every
    `halve_every` steps, "step": times 0.1 at each of `drop_at`), `warmup_steps` (linear from 0).

    Raises:
      ValueError: on an unknown schedule.
    """
    rate = config.learning_rate
    if config.schedule == "constant":
        schedule = optax.constant_schedule(rate)
    elif config.schedule == "cosine":
        schedule = optax.cosine_decay_schedule(rate, max(1, num_steps - config.warmup_steps))
    elif config.schedule == "halving":
        schedule = optax.exponential_decay(rate, config.halve_every, 0.5, staircase=True)
    elif config.schedule == "step":
        schedule = optax.piecewise_constant_schedule(rate, {step: 0.1 for step in config.drop_at})
    else:
        raise ValueError(
            f"schedule: expected one of {', '.join(SCHEDULES)}, got {config.schedule!r}"
        )
    if config.warmup_steps:
        warmup = optax.linear_schedule(0.0, rate, config.warmup_steps)
        after = schedule
        if config.schedule != "cosine":
            # Steps of `halve_every` and `drop_at` count from the run's start; optax's, from here.
            after = lambda step: schedule(step + config.warmup_steps)  # noqa: E731
        return optax.join_schedules([warmup, after], [config.warmup_steps])
    return schedule


def make_optimizer(
    config: ml_collections.ConfigDict, num_steps: int
) -> optax.GradientTransformation:
    """Adam as the authors used it: gradient clipping, then coupled L2, then Adam.

    PyTorch's Adam adds `weight_decay * parameter` to the gradient before the moments (coupled L2,
    not AdamW's decay). Fields beside the schedule's: `b1`, `b2`, `epsilon` (1e-8 in PyTorch; added
    to the root of the second moment, so that gradients far below it move little), `weight_decay`
    (0: none), `clip_norm` (0: none).
    """
    steps = []
    if config.clip_norm:
        steps.append(optax.clip_by_global_norm(config.clip_norm))
    if config.weight_decay:
        steps.append(optax.add_decayed_weights(config.weight_decay))
    steps.append(optax.scale_by_adam(b1=config.b1, b2=config.b2, eps=config.epsilon))
    steps.append(optax.scale_by_learning_rate(make_schedule(config, num_steps)))
    return optax.chain(*steps)
