"""Makes and places batches ahead, in a thread, while the devices work on the ones before."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, TypeVar

Host = TypeVar("Host")
Placed = TypeVar("Placed")
_END = object()


def prefetch(
    batches: Iterable[Host], place: Callable[[Host], Placed], size: int
) -> Generator[Placed, None, None]:
    """Yields `place(batch)` of each batch, in order, with `size` of them made ahead.

    A thread takes and places them, so that who asks waits only where the thread is behind. When
    number n has been asked for, n + size have been taken from `batches` and no more. The thread
    starts with the first; closing this ends it and closes `batches`. An error of making or placing
    a batch is raised here when all batches before it have been given.

    Args:
      batches: used by that thread alone.
      place: such as a copy to the devices; runs in that thread.
      size: batches ahead, at least 1.
    """
    # The thread must not refer to this generator: one that nobody holds any more is closed.
    permits = threading.Semaphore(size)
    ready: queue.SimpleQueue = queue.SimpleQueue()
    stopping = threading.Event()
    thread = threading.Thread(
        target=_fetch,
        args=(iter(batches), place, permits, ready, stopping),
        name="prefetch",
        daemon=True,
    )
    thread.start()
    try:
        while True:
            permits.release()
            batch, error = ready.get()
            if error is not None:
                raise error
            if batch is _END:
                return
            yield batch
            del batch  # its memory belongs to who asked
    finally:
        stopping.set()
        permits.release()
        thread.join()


def _fetch(
    batches: Iterator[Any],
    place: Callable[[Any], Any],
    permits: threading.Semaphore,
    ready: queue.SimpleQueue,
    stopping: threading.Event,
) -> None:
    """What the thread does: a batch for each permit, until it is told to stop."""
    try:
        while True:
            permits.acquire()
            if stopping.is_set():
                return
            ready.put((place(next(batches)), None))
    except StopIteration:
        ready.put((_END, None))
    except BaseException as error:  # raised again where batches are asked for
        ready.put((None, error))
    finally:
        if hasattr(batches, "close"):
            batches.close()  # type: ignore[attr-defined]
