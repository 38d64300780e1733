"""Data: the open corpus, motion from stills, and the TFDS builders.

Importing this package tells TFDS, if it is installed, of `gif_faces`, `gif_moments` and
`gif_open`, so that `tfds.load("gif_open")` finds them. Their code, and with it TensorFlow, is
imported when one is asked for.
"""

import importlib
import importlib.util
from typing import Any

TFDS_DATASETS = ("gif_faces", "gif_moments", "gif_open")


class _BuilderProvider:
    """What TFDS asks for builders by name."""

    def has_dataset(self, name: str) -> bool:
        """Whether a data set is one of ours."""
        return name in TFDS_DATASETS

    def get_builder_cls(self, name: str) -> Any:
        """Imports a builder's class."""
        return importlib.import_module(f"{__name__}.{name}.{name}_dataset_builder").Builder


def _register() -> None:
    if importlib.util.find_spec("tensorflow_datasets") is None:
        return
    from tensorflow_datasets.core import registered

    # First, since TFDS's own provider imports all of its builders to look for an unknown name.
    registered.add_dataset_builder_provider(_BuilderProvider(), index=0)


_register()
