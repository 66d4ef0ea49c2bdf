"""The library's exceptions: one kind for bad input, one for a computation that failed."""

LONGEST_MESSAGE = 4000  # characters; what a file says of itself may be longer


def _shown(message: object) -> str:
    """A message that any terminal may be given: what cannot be printed is escaped, what is too long is cut."""
    text = "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in str(message))
    half = LONGEST_MESSAGE // 2
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:half]} [...] {text[-half:]}"


class InputError(ValueError):
    """Bad input, found before any work: the message names the file, row or argument, and the remedy.

    Args:
        message: shown to the user. It may hold what a file says of itself: see `_shown`.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(_shown(message))


class SolveError(RuntimeError):
    """A solver returned a status that is not OK; the message counts the failures and names a remedy."""


class TrainingError(RuntimeError):
    """Training stopped on a non-finite value; the message names the step, the run and the window."""


class Stopped(KeyboardInterrupt):
    """A signal ended the work; of a training, which has time to save, the message says where, and how to go on.

    A KeyboardInterrupt, so that no `except Exception` goes on as if the work had come to its own end.

    Attributes:
        signum: number of the signal, as in the module signal.
    """

    def __init__(self, message: str, signum: int) -> None:
        super().__init__(message)
        self.signum = signum
