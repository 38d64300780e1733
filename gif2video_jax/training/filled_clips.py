"""Training examples for inpainting whose holes were filled before, by `fill_clips`.

`config.data.source=filled:FOLDER` trains on them: each is used many times, mirrored, turned,
transposed and played backwards at random, which a fill follows but for rounding and ties.

The folder holds `about.json` and, of each split, memory-mapped arrays: truth and filled, uint8
(k, t, s, s, 3), mask, bool (k, t, s, s), and seen, uint8 (k, t, s, s): how far a pixel is known or
was seen in other frames, 255 for all.
"""

import json
import os
from typing import Any

import numpy as np

from gif2video_jax.errors import InputError
from gif2video_jax.training.inpainting_examples import InpaintingExamples

SCHEME = "filled:"
ARRAYS = ("truth", "mask", "filled", "seen")
ABOUT = "about.json"


def inpainting_examples(corpus: str, **fields: Any) -> "InpaintingExamples | FilledClips":
    """The examples of a source: a corpus whose clips get holes, or clips filled before."""
    if corpus.startswith(SCHEME):
        return FilledClips(corpus.removeprefix(SCHEME), **fields)
    return InpaintingExamples(corpus, **fields)


class FilledClips:
    """The examples of a folder that `fill_clips` made, in random order and symmetries."""

    def __init__(self, folder: str, *, split: str, seed: int, **fields: Any):
        """Opens the folder; arrays are read as they are needed.

        Args:
          folder: the folder.
          split: "train" or "validation"; the latter comes in order, and as it was made.
          seed: of the order and of the symmetries.
          **fields: of `config.data`, which must be those that the folder was made with.

        Raises:
          InputError: if there is no such folder, or its clips were made with other fields.
        """
        self._seed, self._as_made = seed, split == "validation"
        self._paths = {name: array_path(folder, split, name) for name in ARRAYS}
        try:
            with open(os.path.join(folder, ABOUT), encoding="utf-8") as file:
                about = json.load(file)
            self.fill, made_with = about["fill"], dict(about["data"])
            self._arrays = self._opened()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{folder}: expected a folder of filled clips, made by "
                f"python -m gif2video_jax.training.fill_clips ({error})"
            ) from None
        for name, value in fields.items():
            if name not in made_with:
                raise InputError(f"config.data.{name}: the clips of {folder} were made without it")
            if made_with[name] != value:
                raise InputError(
                    f"config.data.{name}: expected {made_with[name]!r}, which the clips of "
                    f"{folder} were made with, got {value!r}"
                )

    def __getstate__(self) -> dict[str, Any]:
        """For data workers: what is mapped here would travel whole, and stay in their memory."""
        return {name: value for name, value in vars(self).items() if name != "_arrays"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Maps the arrays anew."""
        vars(self).update(state)
        self._arrays = self._opened()

    def _opened(self) -> dict[str, np.ndarray]:
        return {name: np.load(path, mmap_mode="r") for name, path in self._paths.items()}

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Example `index`: one clip, see the head of this file, with a first axis of 1."""
        count = len(self._arrays["truth"])
        if self._as_made:
            return self._clip(index % count)
        rng = np.random.default_rng([self._seed, index])
        clip = self._clip(int(rng.integers(count)))
        turns, mirrored, backwards = int(rng.integers(4)), rng.random() < 0.5, rng.random() < 0.5
        return {name: _moved(x, turns, mirrored, backwards) for name, x in clip.items()}

    def _clip(self, number: int) -> dict[str, np.ndarray]:
        return {name: np.array(x[number : number + 1]) for name, x in self._arrays.items()}


def _moved(x: np.ndarray, turns: int, mirrored: bool, backwards: bool) -> np.ndarray:
    """One of the sixteen symmetries of a clip of square frames; axes are (1, t, s, s, ...)."""
    x = np.rot90(x, turns, axes=(2, 3))
    x = x[:, :, :, ::-1] if mirrored else x
    return np.ascontiguousarray(x[:, ::-1] if backwards else x)


def array_path(folder: str, split: str, name: str) -> str:
    """Where one of `ARRAYS` lies."""
    return os.path.join(folder, f"{split}_{name}.npy")
