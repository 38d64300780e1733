"""Several GIFs in one go: which file becomes which, and work that one bad file does not stop."""

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence

from gif2video_jax.errors import InputError
from gif2video_jax.restoring.options import FORMATS

DEFAULT_FORMAT = "mp4"


@dataclasses.dataclass(frozen=True)
class Job:
    """One file to restore.

    Attributes:
      source: a GIF's path, or "-" for standard input.
      destination: as `-o` takes it: a file, a folder for PNG frames that ends in "/", or "-".
    """

    source: str
    destination: str


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
      jobs: at least one.
      folder: where they all write to, made if it is missing; None for a single file's own place.
    """

    jobs: tuple[Job, ...]
    folder: str | None = None


def plan_jobs(sources: Sequence[str], output: str, format: str | None = None) -> Plan:
    """Decides which file each GIF becomes.

    One GIF becomes `output`, or a file of its own name in it if that is a folder that exists and
    does not end in "/" (which asks for PNG frames). Several GIFs, or a folder's GIFs, become files
    of their own names in the folder `output`.

    Args:
      sources: GIF files, folders that hold some, or "-".
      output: as the command line's `-o`.
      format: of files in a folder; MP4 if not given.

    Raises:
      InputError: a folder among the sources holds no GIF, or cannot be read.
      ValueError: several GIFs for one file, or two of one name.
    """
    folders = [source for source in sources if os.path.isdir(source)]
    if len(sources) == 1 and not folders:
        if os.path.isdir(output) and not output.endswith(("/", os.sep)):
            return Plan((Job(sources[0], _inside(output, sources[0], format)),), output)
        return Plan((Job(sources[0], output),))
    if not _may_be_folder(output):
        raise ValueError(f"several GIFs need a folder to go to, got -o {output}")
    jobs: dict[str, Job] = {}
    for source in sources:
        for path in _gifs_of(source) if source in folders else [source]:
            job = Job(path, _inside(output, path, format))
            if job.destination in jobs:
                other = jobs[job.destination].source
                raise ValueError(f"{other} and {path} would both become {job.destination}")
            jobs[job.destination] = job
    return Plan(tuple(jobs.values()), output)


def run_jobs(
    jobs: Sequence[Job], work: Callable[[Job], None], on_error: Callable[[Exception], None]
) -> list[Job]:
    """Does each job in turn and returns those that failed; the others are done all the same.

    Args:
      jobs: from `plan_jobs`.
      work: does one.
      on_error: told of each failure: an InputError or an OSError. Others are mistakes of the
        program, and end the run.
    """
    failed = []
    for job in jobs:
        try:
            work(job)
        except BrokenPipeError:
            raise  # nobody reads our output: there is no point in going on
        except (InputError, OSError) as error:
            on_error(error)
            failed.append(job)
    return failed


@contextlib.contextmanager
def output_folder(folder: str | None) -> Iterator[None]:
    """Makes a folder and those above it, and removes them again if they stay empty.

    Raises:
      InputError: it cannot be made.
    """
    if folder is None:
        yield
        return
    path = pathlib.Path(folder)
    missing = [part for part in (path, *path.parents) if not part.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot make this folder: {error.strerror}") from None
    try:
        yield
    finally:
        for part in missing:
            with contextlib.suppress(OSError):
                part.rmdir()  # fails, as it should, where there is something in it


def _may_be_folder(output: str) -> bool:
    if output == "-" or os.path.isfile(output):
        return False
    named_as_file = pathlib.PurePath(output).suffix.lower().lstrip(".") in FORMATS
    return os.path.isdir(output) or output.endswith(("/", os.sep)) or not named_as_file


def _inside(folder: str, source: str, format: str | None) -> str:
    name = "stdin" if source == "-" else pathlib.PurePath(source).stem
    return os.path.join(folder, f"{name}.{format or DEFAULT_FORMAT}")


def _gifs_of(folder: str) -> list[str]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror}") from None
    paths = [os.path.join(folder, name) for name in names if name.lower().endswith(".gif")]
    if not paths:
        raise InputError(f"{folder}: no GIF in this folder")
    return paths
