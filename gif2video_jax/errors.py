"""The one exception that a person's mistake or a broken file raises."""


class InputError(ValueError):
    """Bad input: one line that says which file, what is wrong, and what to do.

    The command line prints the message and exits with code 1; library callers may catch it like
    any other `ValueError`.
    """
