"""Which frame an example is made of: at random, or each once an epoch; a function of its index."""

import functools

import numpy as np
from jaxtyping import Int

from gif2video_jax.errors import InputError
from gif2video_jax.training.corpus import Item, Source

SAMPLINGS = ("random", "videos", "frames")


def check_sampling(sampling: str) -> None:
    """Checks a name.

    Raises:
      InputError: if there is no such sampling.
    """
    if sampling not in SAMPLINGS:
        raise InputError(
            f"config.data.sampling: expected one of {', '.join(SAMPLINGS)}, got {sampling!r}"
        )


def draw(
    source: Source,
    rng: np.random.Generator,
    *,
    sampling: str,
    seed: int,
    index: int,
    num_frames: int = 1,
    photograph_share: float | None = None,
) -> tuple[Item, int]:
    """Chooses an item and the first of `num_frames` consecutive frames of it.

    Args:
      source: what to choose from.
      rng: the example's own randomness.
      sampling: "random": a group evenly, one of its items, a place in it. "videos": each item once
        an epoch, in a new order each time, and a random place in it (the paper's windows).
        "frames": each place once an epoch, in a new order each time; an epoch may be longer than a
        run.
      seed: of the run; decides the orders.
      index: of the example, counted over all epochs.
      num_frames: items that are shorter are left out.
      photograph_share: of "random", see `Source.random_item`.

    Raises:
      InputError: if all items are shorter than that.
    """
    items, ends = _places(source, num_frames)
    if sampling == "random":
        item = source.random_item(rng, photograph_share)
        while item.num_frames < num_frames:
            item = source.random_item(rng, photograph_share)
        return item, int(rng.integers(item.num_frames - num_frames + 1))
    count = len(items) if sampling == "videos" else int(ends[-1])
    epoch, place = divmod(index, count)
    chosen = int(_order(seed, epoch, count)[place])
    if sampling == "videos":
        item = items[chosen]
        return item, int(rng.integers(item.num_frames - num_frames + 1))
    number = int(np.searchsorted(ends, chosen, side="right"))
    return items[number], chosen - int(ends[number - 1] if number else 0)


def _places(source: Source, num_frames: int) -> tuple[list[Item], Int[np.ndarray, " n"]]:
    """The items that are long enough, and the running number of places in them."""
    known = source.__dict__.setdefault("_places", {})
    if num_frames not in known:
        items = [item for item in source.items if item.num_frames >= num_frames]
        if not items:
            longest = max(item.num_frames for item in source.items)
            raise InputError(
                f"{source}: its longest item has {longest} frames, expected {num_frames} or more"
            )
        known[num_frames] = items, np.cumsum([i.num_frames - num_frames + 1 for i in items])
    return known[num_frames]


@functools.lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> Int[np.ndarray, " n"]:
    return np.random.default_rng([seed, epoch, count]).permutation(count)
