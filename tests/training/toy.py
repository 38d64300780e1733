"""A task that compiles in no time, for tests of the loop: a line through points.

Run as a program it is the training command with this task, `python -m tests.training.toy`.
"""

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax

from gif2video_jax.training import feeding, tasks
from gif2video_jax.training.state import TrainState, update_average


class ToyExamples:
    """Example i: four points (x, y) with some noise."""

    def __init__(self, *, split: str, seed: int, points: int = 4):
        self._seed = [seed, split == "train"]
        self._points = points

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([*self._seed, index])
        x = rng.normal(size=(self._points, 3)).astype(np.float32)
        y = x @ np.array([1.0, -2.0, 0.5], np.float32) + 0.1 * rng.normal(size=self._points)
        return {"x": x, "y": y.astype(np.float32)}


class ToyTask:
    """Least squares, with running statistics, a random key and a counter in `extra`."""

    model_kind = "toy"

    def __init__(self, config):
        if config.rate_kind != "constant":
            raise ValueError(f"rate_kind: expected one of constant, got {config.rate_kind!r}")
        self.config = config
        self.optimizer = optax.adam(config.learning_rate)

    def init(self, key, batch):
        params = {"layer": {"w": jax.random.normal(key, (batch["x"].shape[1],))}}
        if self.config.model.bias:
            params["layer"]["bias"] = jnp.zeros(())
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            model_state={"mean": jnp.zeros(())},
            optimizer_state=self.optimizer.init(params),
            average=jax.tree.map(jnp.copy, params),
            extra={"key": jax.random.fold_in(key, 1), "pool": jnp.zeros((2, 3))},
        )

    def load_pretrained(self, state):
        return state

    def at(self, step):
        return self

    def variables(self, state):
        return {"params": state.average, **state.model_state}

    def example_batch(self):
        shapes = {"x": (1, 3), "y": (1,)}
        return {name: jax.ShapeDtypeStruct(shape, "float32") for name, shape in shapes.items()}

    def _predict(self, params, x):
        return x @ params["layer"]["w"] + params["layer"].get("bias", 0.0)

    def step(self, state, batch):
        def loss_of(params):
            return jnp.mean(jnp.square(self._predict(params, batch["x"]) - batch["y"]))

        loss, gradient = jax.value_and_grad(loss_of)(state.params)
        updates, optimizer_state = self.optimizer.update(gradient, state.optimizer_state)
        params = optax.apply_updates(state.params, updates)
        key, draw = jax.random.split(state.extra["key"])
        pool = state.extra["pool"].at[jax.random.randint(draw, (), 0, 2)].set(batch["x"][0])
        state = state.replace(
            step=state.step + 1,
            params=params,
            model_state={"mean": 0.9 * state.model_state["mean"] + jnp.mean(batch["x"])},
            optimizer_state=optimizer_state,
            average=update_average(state.average, params, 0.9, state.step),
            extra={"key": key, "pool": pool},
        )
        return state, {"loss": loss, "gradient_norm": optax.tree.norm(gradient)}

    def evaluate(self, state, batch):
        error = jnp.mean(jnp.square(self._predict(state.average, batch["x"]) - batch["y"]))
        return {"error": error}

    def generate(self, params, model_state, extra, batch, *, train):
        return self._predict(params, batch["x"]), model_state

    def pictures(self, state, batch):
        shade = jnp.tanh(batch["x"])[:, None, None, :] * jnp.ones((1, 4, 5, 1))
        return {"gif": shade, "truth": -shade}


def register() -> None:
    """Makes `config.task = "toy"` work."""
    tasks.TASKS["toy"] = ToyTask
    feeding.EXAMPLES["toy"] = ToyExamples


def get_config(**fields) -> ml_collections.ConfigDict:
    """A run of eight steps."""
    config = ml_collections.ConfigDict(
        {
            "task": "toy",
            "seed": 3,
            "num_steps": 8,
            "model": {"bias": True},
            "rate_kind": "constant",
            "learning_rate": 0.1,
            "data": {"examples_per_batch": 2, "points": 4},
            "num_workers": 0,
            "validation_batches": 2,
            "log_every": 1,
            "evaluate_every": 4,
            "checkpoint_every_seconds": 1e9,
            "checkpoint_every_steps": 0,
            "keep_checkpoints": 2,
            "keep_best_metric": "",
            "tensorboard": False,
            "initial_checkpoint": "",
        }
    )
    config.update(fields)
    return config


if __name__ == "__main__":
    from gif2video_jax.training.command import run

    register()
    run()
