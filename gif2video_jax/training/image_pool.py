"""The pool of older fakes that a discriminator is trained on, as arrays on the device.

After Shrivastava et al., "Learning from simulated and unsupervised images through adversarial
training", CVPR 2017, as CycleGAN and the authors of GIF2Video have it: a discriminator that sees
only the newest fakes forgets what the generator did before.
"""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp


class ImagePool(flax.struct.PyTreeNode):
    """Up to `size` examples.

    Attributes:
      images: arrays (or nested dictionaries of them) whose first axis is the pool's size.
      count: how many of them hold an example, int32.
    """

    images: Any
    count: Any


def make_pool(examples: Any, size: int) -> ImagePool:
    """An empty pool for examples of the shapes in `examples`, whose first axis is the batch."""
    images = jax.tree.map(lambda x: jnp.zeros((size, *x.shape[1:]), x.dtype), examples)
    return ImagePool(images=images, count=jnp.zeros((), jnp.int32))


def query(pool: ImagePool, examples: Any, key: jax.Array) -> tuple[ImagePool, Any]:
    """Gives each example, or an older one in its place, and keeps what is new.

    One after the other: until the pool is full, it stores and returns what comes. Then, with a
    chance of one half each, it returns what came, or returns a stored one, drawn evenly, which the
    new one replaces. A pool of size 0 returns what comes.

    Args:
      pool: before.
      examples: arrays whose first axis is the batch; one example's arrays stay together.
      key: of randomness.

    Returns:
      The pool after, and examples of the same shapes.
    """
    size = jax.tree.leaves(pool.images)[0].shape[0]
    if size == 0:
        return pool, examples
    number = jax.tree.leaves(examples)[0].shape[0]
    slots, coins = draws(key, number, size)

    def one(pool: ImagePool, entry):
        example, slot, coin = entry
        full = pool.count >= size
        place = jnp.where(full, slot, pool.count)
        exchange = full & coin

        def returned(stored, new):
            return jnp.where(exchange, stored[place], new)

        def kept(stored, new):
            return stored.at[place].set(jnp.where(exchange | ~full, new, stored[place]))

        result = jax.tree.map(returned, pool.images, example)
        images = jax.tree.map(kept, pool.images, example)
        return ImagePool(images=images, count=jnp.minimum(pool.count + 1, size)), result

    return jax.lax.scan(one, pool, (examples, slots, coins))


def draws(key: jax.Array, number: int, size: int) -> tuple[jax.Array, jax.Array]:
    """For each of `number` examples a slot of the pool, and whether it is exchanged."""
    slot_key, coin_key = jax.random.split(key)
    return (
        jax.random.randint(slot_key, (number,), 0, size),
        jax.random.bernoulli(coin_key, 0.5, (number,)),
    )
