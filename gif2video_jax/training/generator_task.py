"""What all tasks share: one network, its reconstruction terms, and perhaps a discriminator.

A subclass says what its network computes and which terms it is judged by; the step is here:

  1. the discriminator's step, if there is one (`adversarial`);
  2. loss = sum of weight * term + weight * adversarial term, its gradient over the parts of the
     batch (`accumulation`);
  3. the optimiser's step, unless the discriminator or a rule of the task forbids it;
  4. the moving average of the parameters (`ema_decay` 0: the parameters themselves).
"""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import optax
from jaxtyping import Array, Bool, Float

from gif2video_jax.models.build import build_model
from gif2video_jax.training import lpips
from gif2video_jax.training.accumulation import accumulate
from gif2video_jax.training.adversarial import (
    GENERATOR_STEPS_ABOVE,
    Adversary,
    Pair,
    select,
)
from gif2video_jax.training.metrics import mean_psnr
from gif2video_jax.training.optimizers import make_optimizer
from gif2video_jax.training.pretrained_networks import placed_like
from gif2video_jax.training.state import TrainState, update_average
from gif2video_jax.training.task import Batch, Metrics


class Compared(NamedTuple):
    """Images in [-1, 1] of one shape: the network's, the baseline's and the true ones."""

    prediction: Float[Array, "n h w 3"]
    baseline: Float[Array, "n h w 3"]
    truth: Float[Array, "n h w 3"]


class GeneratorTask:
    """A task but for its network and its terms; see the head of this file.

    Attributes:
      model_kind: of `models.build.MODELS`.
      terms_available: names that `config.losses` may have; "lpips" comes to those where the task
        says its `pairs`.
      own_fields: of the config, which other tasks do not have, see `config_check`.
    """

    model_kind: ClassVar[str]
    terms_available: ClassVar[tuple[str, ...]]
    own_fields: ClassVar[dict[str, bool]] = {}

    def __init__(self, config: ml_collections.ConfigDict):
        """Builds network, optimiser and discriminator from a config that has been checked.

        Raises:
          ValueError: if it has no network to train, or wants LPIPS and names no file.
        """
        if config.model.get("unet", config.model) is None:
            raise ValueError("model.unet: expected a U-Net's fields; without it nothing is trained")
        self.config = config
        self.model = build_model(self.model_kind, config.model)
        self.optimizer = make_optimizer(config.optimizer, config.num_steps)
        self.adversary = None
        settings = config.get("adversarial")
        if settings is not None and settings.kind != "none":
            dtype = config.model.unet.get("dtype")
            self.adversary = Adversary(settings, self.optimizer, dtype and jnp.dtype(dtype))
        self.perceptual = bool(config.losses.get("lpips", 0.0))
        if self.perceptual and not config.get("lpips_weights", ""):
            raise ValueError("losses.lpips: needs lpips_weights, a file, see training/lpips.py")

    @classmethod
    def losses_available(cls) -> tuple[str, ...]:
        """The names that `config.losses` may have."""
        shows_images = cls.pairs is not GeneratorTask.pairs
        return (*cls.terms_available, *(("lpips",) if shows_images else ()))

    # What subclasses say.

    def first_variables(self, key: jax.Array, batch: Batch) -> tuple[Any, Any, dict[str, Any]]:
        """Fresh parameters, running statistics, and what the task adds to `TrainState.extra`."""
        raise NotImplementedError

    def generate(
        self, params: Any, model_state: Any, extra: Any, batch: Batch, *, train: bool
    ) -> tuple[Any, Any]:
        """The network's results on a batch, and the running statistics after."""
        raise NotImplementedError

    def terms(self, result: Any, batch: Batch) -> Metrics:
        """Each term of the loss that `terms_available` names."""
        raise NotImplementedError

    def pairs(self, result: Any, batch: Batch) -> tuple[Pair, Pair]:
        """What the discriminator is to tell apart: fakes and real images, each with its GIF."""
        raise NotImplementedError

    def compared(self, state: TrainState, batch: Batch) -> Compared:
        """What the averaged network makes of a batch, what it is held against, and the truth."""
        raise NotImplementedError

    def may_step(self, state: TrainState, terms: Metrics) -> tuple[Bool[Array, ""], dict[str, Any]]:
        """Whether the network may step, and what of `extra` the task changes."""
        del state, terms
        return jnp.array(True), {}

    # What the loop calls.

    def init(self, key: jax.Array, batch: Batch) -> TrainState:
        """See `Task`."""
        key, adversary_key = jax.random.split(key)
        params, model_state, extra = self.first_variables(key, batch)
        optimizer_state: Any = self.optimizer.init(params)
        if self.adversary:
            result, _ = self.generate(params, model_state, extra, batch, train=False)
            fake, _ = self.pairs(result, batch)
            extra["adversary"], theirs = self.adversary.init(adversary_key, fake)
            optimizer_state = {"generator": optimizer_state, "discriminator": theirs}
        if self.perceptual:
            shapes = lpips.weight_shapes()
            extra["lpips"] = {name: jnp.zeros(shape) for name, shape in shapes.items()}
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            model_state=model_state,
            optimizer_state=optimizer_state,
            average=jax.tree.map(jnp.copy, params),
            extra=extra,
        )

    def load_pretrained(self, state: TrainState) -> TrainState:
        """See `Task`: the frozen network of LPIPS. Who overrides this, calls this."""
        if not self.perceptual:
            return state
        weights = lpips.load_weights(self.config.lpips_weights)
        placed = placed_like(weights, state.extra["lpips"])
        return state.replace(extra={**state.extra, "lpips": placed})

    def at(self, step: int) -> "GeneratorTask":
        """See `Task`: no stages."""
        del step
        return self

    def step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        """See `Task`."""
        if self.adversary is None:
            return self._generator_step(state, batch)
        optimizers = state.optimizer_state

        def pairs_of(part):
            result, _ = self.generate(
                state.params, state.model_state, state.extra, part, train=True
            )
            return self.pairs(result, part)

        adversary, theirs, metrics = self.adversary.step(
            state.extra["adversary"],
            optimizers["discriminator"],
            batch,
            pairs_of,
            key=jax.random.fold_in(jax.random.key(self.config.seed), state.step),
            num_parts=self.config.get("accumulate_steps", 1),
        )
        state, ours = self._generator_step(
            state.replace(
                extra={**state.extra, "adversary": adversary},
                optimizer_state=optimizers["generator"],
            ),
            batch,
            metrics["discriminator_accuracy"] > GENERATOR_STEPS_ABOVE,
        )
        both = {"generator": state.optimizer_state, "discriminator": theirs}
        return state.replace(optimizer_state=both), {**ours, **metrics}

    def evaluate(self, state: TrainState, batch: Batch) -> Metrics:
        """PSNR in dB, and how far it is above the baseline's."""
        prediction, baseline, truth = self.compared(state, batch)
        psnr = mean_psnr(jnp.clip(prediction, -1, 1), truth)
        return {"psnr": psnr, "gain": psnr - mean_psnr(baseline, truth)}

    def pictures(self, state: TrainState, batch: Batch) -> dict[str, Float[Array, "n h w 3"]]:
        """What to look at, by name: baseline (the GIF), truth, prediction, and twice the error."""
        prediction, baseline, truth = self.compared(state, batch)
        shown = {"gif": baseline, "truth": truth, "prediction": prediction}
        shown["error"] = 2 * (prediction - truth)
        return {name: jnp.clip(image, -1, 1) for name, image in shown.items()}

    def variables(self, state: TrainState) -> dict[str, Any]:
        """See `Task`."""
        return {"params": state.average, **state.model_state}

    def _lpips(self, result: Any, batch: Batch, weights: Any) -> Float[Array, ""]:
        """The mean over the images that a discriminator would see."""
        fake, real = self.pairs(result, batch)
        weights = jax.lax.stop_gradient(weights)
        return jnp.mean(lpips.lpips(weights, fake["image"], real["image"]))

    def _generator_step(
        self, state: TrainState, batch: Batch, allowed: Any = None
    ) -> tuple[TrainState, Metrics]:
        """One update of the network; with a discriminator, only if it is `allowed`."""

        def part_gradient(model_state, part):
            def loss_of(params):
                result, after = self.generate(params, model_state, state.extra, part, train=True)
                terms = self.terms(result, part)
                if self.perceptual:
                    terms = {**terms, "lpips": self._lpips(result, part, state.extra["lpips"])}
                weights = self.config.losses
                loss: Any = sum(weights[name] * terms[name] for name in weights if weights[name])
                if self.adversary:
                    fake, _ = self.pairs(result, part)
                    judged = self.adversary.generator_loss(state.extra["adversary"], fake)
                    terms = {**terms, "adversarial": judged}
                    loss = loss + self.adversary.weight * judged
                return loss, (terms, after)

            (loss, (terms, after)), gradient = jax.value_and_grad(loss_of, has_aux=True)(
                state.params
            )
            return after, (gradient, {"loss": loss, **terms})

        num_parts = self.config.get("accumulate_steps", 1)
        model_state, (gradient, metrics) = accumulate(
            part_gradient, state.model_state, batch, num_parts
        )
        updates, optimizer_state = self.optimizer.update(
            gradient, state.optimizer_state, state.params
        )
        params = optax.apply_updates(state.params, updates)
        steps, changes = self.may_step(state, metrics)
        metrics["gradient_norm"] = optax.tree.norm(gradient)
        if allowed is not None or changes:
            steps = steps if allowed is None else steps & allowed
            params = select(steps, params, state.params)
            optimizer_state = select(steps, optimizer_state, state.optimizer_state)
            metrics["generator_steps"] = steps.astype(jnp.float32)
        average = update_average(state.average, params, self.config.ema_decay, state.step)
        state = state.replace(
            step=state.step + 1,
            params=params,
            model_state=model_state,
            optimizer_state=optimizer_state,
            average=average,
            extra={**state.extra, **changes},
        )
        return state, metrics
