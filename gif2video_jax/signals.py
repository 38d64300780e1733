"""Ending early without leaving anything behind: Ctrl-C, SIGTERM and a closed terminal alike.

Python turns Ctrl-C into a KeyboardInterrupt, so that `with` blocks clean up. Here the other signals
that ask a program to end do the same.
"""

import contextlib
import signal
from collections.abc import Iterator

_FATAL_OFFSET = 128  # a shell's exit code for a program that a signal ended
_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class Terminated(KeyboardInterrupt):
    """A signal asked the program to end.

    Attributes:
      exit_code: 128 plus the signal's number, as shells count: 130 for Ctrl-C, 143 for SIGTERM.
    """

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.exit_code = _FATAL_OFFSET + number


@contextlib.contextmanager
def termination_raises() -> Iterator[None]:
    """Within this block the first ending signal raises `Terminated`; later ones are ignored.

    Ignoring the later ones lets the clean-up that the first one began come to its end. Only the
    main thread can do this; in others the block changes nothing.
    """

    def end(number, _):
        for other in before:
            signal.signal(other, signal.SIG_IGN)
        raise Terminated(number)

    before: dict = {}
    try:
        for number in _SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup says not to end
                before[number] = signal.signal(number, end)
    except ValueError:  # not the main thread
        pass
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
