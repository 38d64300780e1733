"""Writes a data set shard by shard, so that a stopped build goes on where it was.

A shard holds the chunks of consecutive videos of a split. It is written beside and then renamed;
with it comes a report (its videos and their frames, and what could not be read). A build makes the
shards that are missing, in this process, in several, or on Apache Beam, in any order and anywhere:
nothing but the shard's own videos decides what is in it.
"""

import concurrent.futures
import dataclasses
import errno
import hashlib
import json
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from etils import epath

from gif2video_jax.datasets.clips import Chunk, ClipRecipe, VideoItem, read_chunks
from gif2video_jax.errors import InputError

# Of the sources: GIF-Faces gets about 115 shards, GIF-Moments about 2,600.
SHARD_BYTES = 32_000_000
# Changes when examples of unchanged sources change, so that unfinished builds are not mixed.
_FORMAT = 1

WriteRecords = Callable[[str, Iterator[tuple[str, Chunk]]], None]


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """Everything that a worker needs to write one shard.

    Attributes:
      folder: of all unfinished shards, local or remote.
      split: name.
      number: of the shard in its split.
      items: its videos, in order.
      recipe: how they become chunks.
      write_records: writes the chunks to a local file. Pickles, and its `repr` tells all of it.
    """

    folder: str
    split: str
    number: int
    items: tuple[VideoItem, ...]
    recipe: ClipRecipe
    write_records: WriteRecords

    @property
    def path(self) -> epath.Path:
        """The finished shard."""
        return epath.Path(self.folder) / f"{self.split}-{self.number:05d}.records"

    @property
    def report_path(self) -> epath.Path:
        """Its report, which appears last."""
        return epath.Path(self.folder) / f"{self.split}-{self.number:05d}.json"

    @property
    def fingerprint(self) -> str:
        """Of all that decides the shard's content; where its sources lie does not."""
        recipe = dataclasses.asdict(self.recipe)
        recipe["prepare"] = f"{self.recipe.prepare.__module__}.{self.recipe.prepare.__qualname__}"
        items = [dataclasses.asdict(item) | {"path": ""} for item in self.items]
        content = [_FORMAT, recipe, items, repr(self.write_records)]
        return hashlib.sha256(json.dumps(content, default=str).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class ShardReport:
    """What a shard holds.

    Attributes:
      fingerprint: see `ShardTask`.
      videos: id and frames of each, in order; what could not be read at all is left out.
      examples: number of chunks.
      bytes: size of the shard.
      problems: a line for each video that could not be read, or not to its end.
    """

    fingerprint: str
    videos: tuple[tuple[str, int], ...]
    examples: int
    bytes: int
    problems: tuple[str, ...]


def group_items(
    items: Sequence[VideoItem], shard_bytes: int = SHARD_BYTES
) -> list[tuple[VideoItem, ...]]:
    """Cuts a split's videos into shards of about `shard_bytes` of sources, in order."""
    groups: list[list[VideoItem]] = []
    size = shard_bytes
    for item in items:
        if size >= shard_bytes:
            groups.append([])
            size = 0
        groups[-1].append(item)
        size += max(1, item.bytes)
    return [tuple(group) for group in groups]


def read_report(task: ShardTask) -> ShardReport | None:
    """The report of a finished shard; None if it is not finished, or of another content."""
    try:
        content = json.loads(task.report_path.read_text())
        report = ShardReport(
            fingerprint=content["fingerprint"],
            videos=tuple((video, frames) for video, frames in content["videos"]),
            examples=content["examples"],
            bytes=content["bytes"],
            problems=tuple(content["problems"]),
        )
        same_size = task.path.stat().length == report.bytes
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return report if same_size and report.fingerprint == task.fingerprint else None


def write_shard(task: ShardTask) -> ShardReport:
    """Writes a shard and its report, unless they are there already.

    A video that can't be read is left out, and one with a broken tail keeps what decodes; the
    report says so.

    Raises:
      InputError: if the disk is full.
    """
    if (report := read_report(task)) is not None:
        return report
    folder = epath.Path(task.folder)
    folder.mkdir(parents=True, exist_ok=True)
    task.report_path.unlink(missing_ok=True)
    videos: dict[str, int] = {}
    problems: list[str] = []
    examples = 0

    def records() -> Iterator[tuple[str, Chunk]]:
        nonlocal examples
        for item in task.items:
            try:
                for chunk in read_chunks(item, task.recipe):
                    videos[item.id] = videos.get(item.id, 0) + len(chunk["frames"])
                    examples += 1
                    yield f"{item.id}/{chunk['start']}", chunk
            except InputError as error:
                problems.append(f"{item.id}: {error}")

    is_local = "://" not in task.folder
    try:
        # Beside the final place where that is a disk, or else in a temporary folder.
        with tempfile.TemporaryDirectory(dir=task.folder if is_local else None) as temporary:
            partial = Path(temporary) / "shard"
            task.write_records(str(partial), records())
            size = partial.stat().st_size
            if is_local:
                partial.replace(str(task.path))
            else:
                epath.Path(partial).copy(task.path, overwrite=True)
    except Exception as error:
        if not _is_full(error):
            raise
        raise InputError(
            f"{task.folder}: no space left; finished shards stay there, so free some space and "
            "run the same command again"
        ) from None
    report = ShardReport(task.fingerprint, tuple(videos.items()), examples, size, tuple(problems))
    task.report_path.write_text(json.dumps(dataclasses.asdict(report)))
    return report


def write_shards(
    tasks: Sequence[ShardTask],
    *,
    num_workers: int = 1,
    beam_runner: Any = None,
    beam_options: Any = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[ShardReport]:
    """Writes all shards that are missing and returns all reports, in the order of the tasks.

    Args:
      tasks: the shards.
      num_workers: processes; 1 writes in this one. They start by spawning, so that a script which
        asks for several guards its main part by `if __name__ == "__main__":`.
      beam_runner: writes on Apache Beam if this or the options are given.
      beam_options: Beam's `PipelineOptions`.
      progress: called with the numbers of finished and of all shards.
    """
    missing = [task for task in tasks if read_report(task) is None]
    done = len(tasks) - len(missing)
    progress(done, len(tasks))
    if missing and (beam_runner is not None or beam_options is not None):
        _write_on_beam(missing, beam_runner, beam_options)
    elif num_workers > 1 and len(missing) > 1:
        context = multiprocessing.get_context("spawn")
        pool = concurrent.futures.ProcessPoolExecutor(num_workers, mp_context=context)
        try:
            futures = [pool.submit(write_shard, task) for task in missing]
            for finished in concurrent.futures.as_completed(futures):
                finished.result()
                done += 1
                progress(done, len(tasks))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    else:
        for task in missing:
            write_shard(task)
            done += 1
            progress(done, len(tasks))
    progress(len(tasks), len(tasks))
    reports = [read_report(task) for task in tasks]
    absent = [task.path for task, report in zip(tasks, reports, strict=True) if report is None]
    if absent:
        raise InputError(
            f"{absent[0]}: not written by its worker, nor are {len(absent) - 1} others; the "
            "workers must reach this folder under this name"
        )
    return [report for report in reports if report is not None]


def _write_on_beam(tasks: Sequence[ShardTask], runner: Any, options: Any) -> None:
    """One element a shard: nothing but its name travels between workers."""
    try:
        import apache_beam as beam
    except ImportError:
        raise InputError(
            "building on Beam needs apache-beam: pip install '.[beam]' in this project's folder"
        ) from None
    with beam.Pipeline(runner=runner, options=options) as pipeline:
        _ = (
            pipeline
            | "Shards" >> beam.Create(list(tasks), reshuffle=True)
            | "Spread" >> beam.Reshuffle()
            | "Write" >> beam.Map(_write_and_forget)
        )


def _write_and_forget(task: ShardTask) -> str:
    write_shard(task)
    return str(task.path)


def _is_full(error: Exception) -> bool:
    """Whether a disk was full; ArrayRecord's and TensorFlow's writers say so in words alone."""
    codes = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    if isinstance(error, OSError) and error.errno in codes:
        return True
    return any(os.strerror(code) in str(error) for code in codes)
