"""Several sources as one, such as a data set's dithered and undithered GIFs."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from gif2video_jax.training.corpus import Item, Source


class JoinedSource(Source):
    """The items of several sources, one source's after the other's.

    The same video of two sources is one group of two items, so that sources are drawn evenly.
    """

    def __init__(self, sources: Sequence[Source]):
        """Joins sources of one split and kind; at least one."""
        self._sources = tuple(sources)
        self.has_gifs = all(source.has_gifs for source in sources)
        self.items = [
            dataclasses.replace(item, paths=(str(number), *item.paths))
            for number, source in enumerate(sources)
            for item in source.items
        ]

    def __str__(self) -> str:
        """The sources' names."""
        return " + ".join(str(source) for source in self._sources)

    def frame(self, item: Item, index: int = 0) -> UInt8[np.ndarray, "h w 3"]:
        """See `Source`."""
        source, own = self._own(item)
        return source.frame(own, index)

    def frames(self, item: Item, numbers: range) -> UInt8[np.ndarray, "n h w 3"]:
        """See `Source`."""
        source, own = self._own(item)
        return source.frames(own, numbers)

    def gif_frames(self, item: Item, numbers: range) -> dict[str, np.ndarray]:
        """See `Source`."""
        source, own = self._own(item)
        return source.gif_frames(own, numbers)

    def _own(self, item: Item) -> tuple[Source, Item]:
        """The source of an item, and the item as that source knows it."""
        number, *paths = item.paths
        return self._sources[int(number)], dataclasses.replace(item, paths=tuple(paths))
