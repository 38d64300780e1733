"""The command line of `train`: flags, several processes, and one line for each mistake."""

import logging
import sys
from typing import Any

import ml_collections
from absl import app, flags
from absl import logging as absl_logging
from ml_collections import config_flags

from gif2video_jax.errors import InputError
from gif2video_jax.training import distributed
from gif2video_jax.training.loop import LOGGER
from gif2video_jax.training.train import train

_USAGE = "python -m gif2video_jax.training.train --config=FILE --workdir=DIR [--config.FIELD=VALUE]"


def run() -> None:
    """Reads the flags, trains, and ends the process with its exit code."""
    define_flags(flags.FLAGS)
    app.run(lambda _: main(), flags_parser=lambda arguments: parse(arguments, flags.FLAGS))


def define_flags(values: flags.FlagValues) -> None:
    """The command's flags."""
    config_flags.DEFINE_config_file("config", help_string="The config file.", flag_values=values)
    one: Any = {"flag_values": values}
    flags.DEFINE_string("workdir", None, "Directory of checkpoints and metrics.", **one)
    flags.DEFINE_enum("mode", "train", ("train", "evaluate"), "Or judge what it holds.", **one)
    flags.DEFINE_integer("profile_steps", 0, "Steps to profile, into WORKDIR/profile.", **one)
    flags.DEFINE_enum("distributed", "auto", distributed.MODES, "Join other processes.", **one)
    flags.DEFINE_string("coordinator", None, "HOST:PORT of process 0.", **one)
    flags.DEFINE_integer("num_processes", None, "How many processes there are.", **one)
    flags.DEFINE_integer("process_id", None, "Which one this is, from 0.", **one)


def main() -> int:
    """Trains, with progress on standard error; returns the exit code, or ends the process."""
    values = flags.FLAGS
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    if not values["verbosity"].present:  # Orbax tells about each file it writes
        absl_logging.set_verbosity(absl_logging.WARNING)
    sys.unraisablehook = report_dropped
    joined = False
    try:
        joined = distributed.initialize(
            values.distributed,
            coordinator=values.coordinator,
            num_processes=values.num_processes,
            process_id=values.process_id,
        )
        if distributed.jax.process_index() > 0:
            LOGGER.setLevel(logging.WARNING)
        if values.mode == "evaluate":
            from gif2video_jax.training.evaluation import evaluate_workdir  # training needs it not

            print(evaluate_workdir(values.config, values.workdir))
            return 0
        train(values.config, values.workdir, profile_steps=values.profile_steps)
    except (InputError, FloatingPointError) as error:
        print(f"train: {error}", file=sys.stderr, flush=True)
        distributed.leave(1, joined=joined)
    except KeyboardInterrupt:
        print("train: interrupted; nothing more is saved", file=sys.stderr, flush=True)
        return 130
    return 0


def report_dropped(dropped: "sys.UnraisableHookArgs") -> None:
    """Reports an exception that nobody can catch, but for echoes of a save that failed.

    For `sys.unraisablehook`. At the first array that cannot be written Orbax gives up the save and
    closes its event loop; TensorStore's threads then find it closed, array by array. The failure
    itself is raised, and told once.
    """
    error = dropped.exc_value
    if not (isinstance(error, RuntimeError) and str(error) == "Event loop is closed"):
        sys.__unraisablehook__(dropped)


def parse(arguments: list[str], values: flags.FlagValues) -> list[str]:
    """Reads the flags; a mistake there, or in the config file, is one line and exit code 1."""
    try:
        rest = values(arguments)
        if any(name in values and values[name].value for name in ("help", "helpfull", "helpshort")):
            return rest
        missing = [f"--{name}" for name in ("config", "workdir") if values[name].value is None]
        if missing:
            raise InputError(f"give {' and '.join(missing)}: {_USAGE}")
        if not isinstance(values.config, ml_collections.ConfigDict):
            raise InputError(f"--config: there is no such file: {_config_path(arguments)}")
    except Exception as error:  # a config file is code, which fails as it likes
        text = " ".join(str(error).split())
        if isinstance(error, AttributeError | KeyError):
            text = f"the config has no such field: {text}"
        elif not isinstance(error, InputError | flags.Error):
            text = f"{type(error).__name__}: {text}"
        print(f"train: {text[:400]}", file=sys.stderr)
        sys.exit(1)
    return rest


def _config_path(arguments: list[str]) -> str:
    """What was given as --config; the flag itself does not keep it."""
    found = ""
    for argument, after in zip(arguments, [*arguments[1:], ""], strict=True):
        name, is_set, value = argument.lstrip("-").partition("=")
        if name == "config":
            found = value if is_set else after
    return found
