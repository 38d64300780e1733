"""Ending early without leaving anything behind: Ctrl-C, SIGTERM and a closed terminal alike.

Python turns Ctrl-C into a KeyboardInterrupt, so that `with` blocks clean up. Here the other signals
that ask a program to end do the same, and none gets lost: where Python drops an exception, as in
callbacks of its garbage collector (JAX has one), it is raised again a moment later.
"""

import contextlib
import signal
import sys
from collections.abc import Iterator

_FATAL_OFFSET = 128  # a shell's exit code for a program that a signal ended
_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
_RETRY_SIGNALS = [signal.SIGALRM] if hasattr(signal, "SIGALRM") else []  # not on Windows
_RETRY_SECONDS = 0.01


class Terminated(KeyboardInterrupt):
    """A signal asked the program to end.

    Attributes:
      number: of the signal.
      exit_code: 128 plus that number, as shells count: 130 for Ctrl-C, 143 for SIGTERM.
    """

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number
        self.exit_code = _FATAL_OFFSET + number


@contextlib.contextmanager
def termination_raises() -> Iterator[None]:
    """Within this block the first ending signal raises `Terminated`; later ones are ignored.

    Ignoring the later ones lets the clean-up that the first one began come to its end. Only the
    main thread can do this; in others the block changes nothing.
    """
    first: list[int] = []

    def end(number, _):
        if number in _SIGNALS:
            if first:
                return
            first.append(number)
        raise Terminated(first[0])

    def on_dropped(dropped):
        if isinstance(dropped.exc_value, Terminated) and _RETRY_SIGNALS:
            signal.setitimer(signal.ITIMER_REAL, _RETRY_SECONDS)
        else:
            hook_before(dropped)

    before: dict = {}
    try:
        for number in (*_SIGNALS, *_RETRY_SIGNALS):
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup says not to end
                before[number] = signal.signal(number, end)
    except ValueError:  # not the main thread
        yield
        return
    hook_before, sys.unraisablehook = sys.unraisablehook, on_dropped
    try:
        yield
    finally:
        sys.unraisablehook = hook_before
        for number, handler in before.items():
            signal.signal(number, handler)
