"""The game of generator and discriminator (GIF2Video, section 3, and the authors' code).

The discriminator judges images beside the GIF that they came from. Its loss is the mean of that of
real and of fake images; fakes come through a pool of older ones (`image_pool`). One number steers
both networks,

  d_acc = mean of the shares of (real logit > 0.5) and (fake logit < 0.5):

the discriminator steps only when d_acc < 0.75, the generator only when d_acc > 0.25. Decided here,
as no source tells: the discriminator goes first, and the generator's term is judged by the
discriminator after its step.
"""

from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import ml_collections
import optax
from jaxtyping import Array, Bool, Float

from gif2video_jax.models.discriminator import Discriminator
from gif2video_jax.ops.sums import mean
from gif2video_jax.training.accumulation import accumulate
from gif2video_jax.training.image_pool import ImagePool, make_pool, query
from gif2video_jax.training.task import Batch, Metrics

KINDS = ("none", "gan", "lsgan")
DISCRIMINATOR_STEPS_BELOW = 0.75
GENERATOR_STEPS_ABOVE = 0.25
_LOGIT = 0.5  # what d_acc compares logits with, in the authors' code for both kinds

Pair = dict[str, Float[Array, "n h w 3"]]  # "gif", the condition, and "image"


class AdversaryState(flax.struct.PyTreeNode):
    """The discriminator and what it has seen.

    Attributes:
      params: of the discriminator.
      model_state: its running statistics; nothing reads them, as it always judges in training.
      pool: older fakes with their GIFs.
    """

    params: Any
    model_state: Any
    pool: ImagePool


def adversarial_loss(logits: Float[Array, "*shape"], *, real: bool, kind: str) -> Float[Array, ""]:
    """How far logits are from saying "real" (or "fake").

    "gan" is the binary cross-entropy on logits, "lsgan" the squared distance from 1 (or 0).
    """
    if kind == "lsgan":
        return mean(jnp.square(logits - float(real)))
    return mean(jax.nn.softplus(-logits if real else logits))


def discriminator_accuracy(
    real: Float[Array, "*shape"], fake: Float[Array, "*shape"]
) -> Float[Array, ""]:
    """d_acc: 0.5 of a discriminator that tosses coins, 1 of one that is always right."""
    return (jnp.mean(real > _LOGIT) + jnp.mean(fake < _LOGIT)) / 2


def select(condition: Bool[Array, ""], new: Any, old: Any) -> Any:
    """`new` where the condition holds, else `old`: an update that may not happen.

    Learning-rate schedules go on all the same: the paper's count epochs, not updates.
    """

    def is_schedule(node):
        return isinstance(node, optax.ScaleByScheduleState)

    def choose(one, other):
        return one if is_schedule(one) else jnp.where(condition, one, other)

    return jax.tree.map(choose, new, old, is_leaf=is_schedule)


class Adversary:
    """Makes and trains the discriminator that `config.adversarial` describes."""

    def __init__(
        self, config: ml_collections.ConfigDict, optimizer: optax.GradientTransformation, dtype: Any
    ):
        """Fields of the config: `kind`, `weight`, `pool_size`, `channels`.

        Args:
          config: the section.
          optimizer: of the discriminator; the authors' is that of the generator, clipping included.
          dtype: of the arithmetic, or None.
        """
        self.kind: str = config.kind
        self.weight: float = config.weight
        self.pool_size: int = config.pool_size
        self.optimizer = optimizer
        self.model = Discriminator(channels=tuple(config.channels), dtype=dtype)

    def init(self, key: jax.Array, pair: Pair) -> tuple[AdversaryState, Any]:
        """A fresh state, and that of the discriminator's optimiser."""
        variables = dict(self.model.init(key, pair["gif"], pair["image"]))
        params = variables.pop("params")
        pool = make_pool(pair, self.pool_size)
        return AdversaryState(params, variables, pool), self.optimizer.init(params)

    def judge(self, params: Any, model_state: Any, pair: Pair) -> tuple[Array, Any]:
        """Logits, and the statistics after this batch."""
        return self.model.apply(
            {"params": params, **model_state},
            pair["gif"],
            pair["image"],
            train=True,
            mutable=list(model_state),
        )

    def generator_loss(self, state: AdversaryState, fake: Pair) -> Float[Array, ""]:
        """How far the discriminator is from taking fakes for real."""
        logits, _ = self.judge(state.params, state.model_state, fake)
        return adversarial_loss(logits, real=True, kind=self.kind)

    def step(
        self,
        state: AdversaryState,
        optimizer_state: Any,
        batch: Batch,
        pairs_of: Callable[[Batch], tuple[Pair, Pair]],
        *,
        key: jax.Array,
        num_parts: int = 1,
    ) -> tuple[AdversaryState, Any, Metrics]:
        """One update of the discriminator, unless it is too good already.

        Args:
          state: before.
          optimizer_state: of the discriminator.
          batch: of examples.
          pairs_of: from a batch to its fake and its real pairs.
          key: of randomness.
          num_parts: see `accumulate`.

        Returns:
          State and optimiser's state after, and metrics, among them `discriminator_accuracy`.
        """

        def one(carry, part):
            model_state, pool, key = carry
            key, pool_key = jax.random.split(key)
            fake, real = jax.lax.stop_gradient(pairs_of(part))
            pool, fake = query(pool, fake, pool_key)

            def loss_of(params):
                real_logits, after = self.judge(params, model_state, real)
                fake_logits, after = self.judge(params, after, fake)
                loss = 0.5 * (
                    adversarial_loss(real_logits, real=True, kind=self.kind)
                    + adversarial_loss(fake_logits, real=False, kind=self.kind)
                )
                return loss, (discriminator_accuracy(real_logits, fake_logits), after)

            (loss, (accuracy, after)), gradient = jax.value_and_grad(loss_of, has_aux=True)(
                state.params
            )
            return (after, pool, key), (gradient, loss, accuracy)

        carry = (state.model_state, state.pool, key)
        carry, (gradient, loss, accuracy) = accumulate(one, carry, batch, num_parts)
        updates, updated = self.optimizer.update(gradient, optimizer_state, state.params)
        params = optax.apply_updates(state.params, updates)
        steps = accuracy < DISCRIMINATOR_STEPS_BELOW
        after = AdversaryState(select(steps, params, state.params), carry[0], carry[1])
        metrics = {
            "discriminator_loss": loss,
            "discriminator_accuracy": accuracy,
            "discriminator_steps": steps.astype(jnp.float32),
        }
        return after, select(steps, updated, optimizer_state), metrics
