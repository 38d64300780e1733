"""What the command line prints: a bar and errors on standard error, results on standard output."""

import argparse
import os
import sys
from typing import Any


class Progress:
    """A bar on standard error, if that is a terminal; called with (frames done, frames in all)."""

    def __init__(self, options: argparse.Namespace, name: str):
        self._name = os.path.basename(name)
        self._hidden = options.quiet or not sys.stderr.isatty()
        self._bar: Any = None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, done: int, total: int | None) -> None:
        """Moves the bar on; it appears at the first call."""
        if self._hidden:
            return
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(
                total=total, desc=self._name, unit="frame", leave=False, dynamic_ncols=True
            )
        self._bar.update(done - self._bar.n)

    def watch(self, frames, total: int | None):
        """Yields the frames and counts them."""
        for done, frame in enumerate(frames, start=1):
            yield frame
            self(done, total)


def print_result(options: argparse.Namespace, result: object) -> None:
    """Prints a result, unless standard output is the result or nobody wants to see it."""
    if not options.quiet and options.output != "-":
        print(result, flush=True)


def print_error(error: Exception) -> None:
    """Prints one line on standard error, which begins with the file's name if that is known."""
    if isinstance(error, OSError) and error.strerror:
        name = f"{error.filename}: " if error.filename else ""
        message = name + error.strerror
    else:
        message = str(error) or type(error).__name__
    print(f"gif2video: error: {one_line(message)}", file=sys.stderr)


def one_line(message: object) -> str:
    """The message without line breaks."""
    return " ".join(str(message).split())
