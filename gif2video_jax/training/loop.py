"""The loop: steps, and between them what is told, judged and kept."""

import contextlib
import functools
import logging
import time

import jax
import ml_collections
import numpy as np
from jax.sharding import NamedSharding

from gif2video_jax.ops.compiling import convolution_options
from gif2video_jax.training import feeding
from gif2video_jax.training.checkpoints import Checkpoints
from gif2video_jax.training.health import Health
from gif2video_jax.training.interruptions import Decisions
from gif2video_jax.training.profiling import Profile
from gif2video_jax.training.snapshots import drawer
from gif2video_jax.training.state import TrainState
from gif2video_jax.training.tasks import Task
from gif2video_jax.training.writers import Progress, Writer

# Our own logger, so that progress is seen without what the libraries have to say.
LOGGER = logging.getLogger("gif2video_jax.training")
# A profile leaves out the first steps of a run: they compile and fill queues.
_STEPS_BEFORE_PROFILE = 5


def _arithmetic(config: ml_collections.ConfigDict) -> str:
    """The type that a config's network computes in."""
    fields = config.model.get("unet", config.model)
    return fields.get("dtype") or "float32"


class Loop:
    """One run of a task, from a state to the config's last step or to a signal."""

    def __init__(
        self,
        config: ml_collections.ConfigDict,
        workdir: str,
        task: Task,
        checkpoints: Checkpoints,
        *,
        replicated: NamedSharding,
        by_example: NamedSharding,
        received: list[int],
        profile_steps: int = 0,
    ):
        """Compiles nothing yet; see `train` for the arguments, `stop_on_signals` for `received`."""
        self._config = config
        self._workdir = workdir
        self._checkpoints = checkpoints
        self._by_example = by_example
        self._received = received
        self._profile_steps = profile_steps
        self._jit = functools.partial(
            jax.jit,
            out_shardings=replicated,
            compiler_options=convolution_options(_arithmetic(config)),
        )
        self._task = task
        self._step = self._jit(task.step, donate_argnums=0)
        self._judge = self._jit(task.evaluate)
        draw = drawer(task)
        self._draw = draw and self._jit(draw)
        self._validation: list[dict[str, jax.Array]] | None = None

    def run(self, state: TrainState) -> dict[str, float]:
        """Trains from `state` on; returns the last evaluation's metrics (none if stopped early).

        Raises:
          InputError: if data end or a file cannot be written.
          FloatingPointError: if the loss is no longer finite.
        """
        config, step = self._config, int(state.step)
        writer = Writer(
            self._workdir,
            step=step,
            active=jax.process_index() == 0,
            tensorboard=config.get("tensorboard", True),
        )
        batches = feeding.Batches(config, self._by_example, start=step)
        with contextlib.closing(writer), contextlib.closing(batches):
            return self._run(state, step, writer, batches)

    def _run(
        self, state: TrainState, step: int, writer: Writer, batches: feeding.Batches
    ) -> dict[str, float]:
        config = self._config
        health = Health(self._checkpoints)
        progress = Progress(step, config.num_steps)
        profile = Profile(self._workdir, step + _STEPS_BEFORE_PROFILE, self._profile_steps)
        decisions = Decisions(
            self._received,
            every_seconds=config.checkpoint_every_seconds,
            every_steps=config.get("checkpoint_every_steps", 0),
            step=step,
        )
        results: dict[str, float] = {}
        evaluated: dict[str, float] | None = None
        while step < config.num_steps and not decisions.stop(step):
            before = time.monotonic()
            batch = batches.next(step, decisions)
            progress.waited += time.monotonic() - before
            profile.before(step, state)
            self._enter_stage(step)
            state, metrics = self._step(state, batch)
            step += 1
            profile.after(step, state)
            health.note(step, metrics)
            if step % config.log_every == 0:
                health.check()
                values = {k: float(v) for k, v in jax.device_get(metrics).items()}
                rates = progress.measure(step)
                writer.scalars(step, values | rates)
                LOGGER.info("%s", progress.line(step, values, rates["steps_per_second"]))
            evaluated = None
            if step % config.evaluate_every == 0 or step == config.num_steps:
                health.check()
                before = time.monotonic()
                results = evaluated = self._evaluate(state, writer)
                progress.leave_out(time.monotonic() - before)
            best = evaluated is not None and self._checkpoints.is_best(evaluated)
            if decisions.save(step) or best:
                health.check(state)
                self._checkpoints.save(step, state, evaluated)
                decisions.saved(step)
        profile.close(state)
        if decisions.saved_step != step:
            health.check(state)
            self._checkpoints.save(step, state, evaluated)
        if step < config.num_steps:
            self._checkpoints.wait()
            LOGGER.info("stopped at step %d, which is saved; the same command goes on", step)
        elif not results:  # there was nothing left to do
            results = self.evaluate(state)
        return results

    def _enter_stage(self, step: int) -> None:
        """Takes the task as it trains from `step` on."""
        task = self._task.at(step)
        if task is not self._task:
            self._task, self._step = task, self._jit(task.step, donate_argnums=0)

    def _evaluate(self, state: TrainState, writer: Writer) -> dict[str, float]:
        """Evaluates, tells, and draws."""
        step = int(state.step)
        results = self.evaluate(state)
        writer.scalars(step, results)
        terms = "  ".join(f"{name} {value:.4g}" for name, value in results.items())
        LOGGER.info("step %d/%d  %s", step, self._config.num_steps, terms)
        if self._draw is not None and self._validation:
            writer.pictures(step, jax.device_get(self._draw(state, self._validation[0])))
        return results

    def evaluate(self, state: TrainState) -> dict[str, float]:
        """The mean of the task's metrics over the validation batches, the same in all processes."""
        if self._validation is None:
            self._validation = feeding.validation_batches(self._config, self._by_example)
        results = [jax.device_get(self._judge(state, batch)) for batch in self._validation]
        return {f"validation_{k}": float(np.mean([r[k] for r in results])) for k in results[0]}
