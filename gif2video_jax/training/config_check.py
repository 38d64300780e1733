"""Checks a config before anything is built: every field is known, none is missing.

A field that nothing reads is a mistake, most often in its spelling, and so it is named. Fields of
`config.data` are checked by the example makers, those of `config.model` by `models.build`.
"""

from collections.abc import Iterable, Mapping, Sequence

import ml_collections

from gif2video_jax.training.adversarial import KINDS
from gif2video_jax.training.optimizers import SCHEDULES

# Name to whether it is needed; the others have a default where they are read.
TASK_FIELDS = {
    "task": True,
    "model": True,
    "losses": True,
    "optimizer": True,
    "ema_decay": True,
    "adversarial": False,
    "accumulate_steps": False,
    "lpips_weights": False,
}
LOOP_FIELDS = {
    "seed": True,
    "num_steps": True,
    "data": True,
    "num_workers": True,
    "validation_batches": True,
    "log_every": True,
    "evaluate_every": True,
    "checkpoint_every_seconds": True,
    "initial_checkpoint": True,
    "checkpoint_every_steps": False,
    "keep_checkpoints": False,
    "keep_best_metric": False,
    "tensorboard": False,
    "evaluation": False,
}
ADVERSARIAL_FIELDS = {"kind": True, "weight": True, "pool_size": True, "channels": True}
OPTIMIZER_FIELDS = {
    "learning_rate": True,
    "schedule": True,
    "warmup_steps": True,
    "b1": True,
    "b2": True,
    "epsilon": True,
    "weight_decay": True,
    "clip_norm": True,
}
_SCHEDULE_FIELDS = {"halving": "halve_every", "step": "drop_at"}
_AT_LEAST_ONE = ("num_steps", "validation_batches", "log_every", "evaluate_every")
_SECTIONS = ("model", "losses", "optimizer", "data", "adversarial")


def check_config(
    config: ml_collections.ConfigDict, terms: Sequence[str], own_fields: Mapping[str, bool]
) -> None:
    """Checks all fields but those of `data` and `model`.

    Args:
      config: of a training.
      terms: names that `config.losses` may have.
      own_fields: of the task, name to whether it is needed; with a dot, within a section.

    Raises:
      ValueError: one line, which names the field.
    """
    own = {name: needed for name, needed in own_fields.items() if "." not in name}
    check_fields("", config, TASK_FIELDS | LOOP_FIELDS | own)
    for section in (*_SECTIONS, *(name.partition(".")[0] for name in own_fields if "." in name)):
        value = config.get(section, {})
        if not isinstance(value, Mapping | ml_collections.ConfigDict):
            raise ValueError(f"{section}: expected a section of fields, got {value!r}")
    for section in own:
        inner = {
            name.partition(".")[2]: needed
            for name, needed in own_fields.items()
            if name.startswith(f"{section}.")
        }
        if inner:
            check_fields(section, config[section], inner)
    check_fields("losses", config.losses, dict.fromkeys(terms, False))
    _check_optimizer(config.optimizer)
    for name in _AT_LEAST_ONE:
        _check_whole(name, config[name], at_least=1)
    _check_whole("num_workers", config.num_workers, at_least=0)
    _check_whole("accumulate_steps", config.get("accumulate_steps", 1), at_least=1)
    weights = list(dict(config.losses).values())
    adversarial = config.get("adversarial")
    if adversarial is not None:
        check_fields("adversarial", adversarial, ADVERSARIAL_FIELDS)
        if adversarial.kind not in KINDS:
            raise ValueError(
                f"adversarial.kind: expected one of {', '.join(KINDS)}, got {adversarial.kind!r}"
            )
        _check_whole("adversarial.pool_size", adversarial.pool_size, at_least=0)
        if adversarial.kind != "none":
            weights.append(adversarial.weight)
    if not any(weights):
        raise ValueError("losses: every weight is zero, so there is nothing to learn; set one")


def check_fields(section: str, fields: Iterable[str], known: Mapping[str, bool]) -> None:
    """Checks the names of a section's fields.

    Args:
      section: its name, "" for the whole config.
      fields: the names that are there.
      known: name to whether it is needed.

    Raises:
      ValueError: names the first field that is unknown or missing, and lists what there may be.
    """
    prefix = f"{section}." if section else ""
    names = list(fields)
    for name in names:
        if name not in known:
            raise ValueError(
                f"{prefix}{name}: no such field, nothing would read it; "
                f"there are {', '.join(sorted(known))}"
            )
    for name, needed in known.items():
        if needed and name not in names:
            raise ValueError(f"{prefix}{name}: this field is missing")


def _check_optimizer(optimizer: ml_collections.ConfigDict) -> None:
    schedule = optimizer.get("schedule")
    if "schedule" in optimizer and schedule not in SCHEDULES:
        raise ValueError(f"schedule: expected one of {', '.join(SCHEDULES)}, got {schedule!r}")
    known = dict(OPTIMIZER_FIELDS)
    if schedule in _SCHEDULE_FIELDS:
        known[_SCHEDULE_FIELDS[schedule]] = True
    check_fields("optimizer", optimizer, known)


def _check_whole(name: str, value: object, *, at_least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
        raise ValueError(f"{name}: expected a whole number of {at_least} or more, got {value!r}")
