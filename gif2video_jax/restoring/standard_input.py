"""Standard input as a file that can be read several times."""

import contextlib
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Iterator

from gif2video_jax.errors import InputError

NAME = "standard input"  # what messages call it


@contextlib.contextmanager
def as_path(source: str | os.PathLike) -> Iterator[str]:
    """Gives the source as a path; of "-" that of a copy on disk, which goes away at the end.

    Raises:
      InputError: raised inside, it says "standard input" where it said the copy's name.
    """
    if os.fspath(source) != "-":
        yield os.fspath(source)
        return
    with tempfile.TemporaryDirectory(prefix="gif2video_") as folder:
        path = pathlib.Path(folder, "standard_input")
        with open(path, "wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        try:
            yield str(path)
        except InputError as error:
            raise InputError(str(error).replace(str(path), NAME)) from None
