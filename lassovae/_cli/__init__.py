"""The command `lassovae`: its sub-commands, and how it ends."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

import tyro

from lassovae._cli._analyse import Analyse
from lassovae._cli._check import Check
from lassovae._cli._design import Design
from lassovae._cli._doctor import Doctor
from lassovae._cli._ending import ends_in_time
from lassovae._cli._examples import EXAMPLES, EXITS, WALK
from lassovae._cli._fit import Fit
from lassovae._cli._output import one_line, speaking
from lassovae._cli._report import Report
from lassovae._cli._simulate import Simulate
from lassovae._errors import InputError, SolveError, Stopped, TrainingError
from lassovae._stopping import STATUS

# Exit statuses; tyro ends with USED_WRONGLY, too, where an option is unknown or missing.
DONE, FAILED, USED_WRONGLY, INTERRUPTED = 0, 1, 2, 130


class Command(Protocol):
    """A sub-command: a dataclass whose fields are its options.

    Its module imports neither JAX nor anything that does, so that `--help` is quick and `--device` can still
    choose; `run` imports what it needs.
    """

    @property
    def verbose(self) -> bool:
        """Whether to speak although nobody looks."""

    def run(self) -> int | None:
        """Do it; the exit status where it is not 0.

        Raises:
            InputError: the user can mend it.
            SolveError, TrainingError: the computation failed.
        """


COMMANDS: dict[str, Callable[..., Command]] = {
    "simulate": Simulate,
    "check": Check,
    "fit": Fit,
    "analyse": Analyse,
    "report": Report,
    "doctor": Doctor,
    "design": Design,
}
HELP = ("-h", "--help")


def _parsed(arguments: Sequence[str]) -> Command:
    """The command with its options; ends the process after a help text, which gets its example, or an error."""
    try:
        return tyro.extras.subcommand_cli_from_dict(
            COMMANDS,
            prog="lassovae",
            description="Sparse dynamics of calcium-imaging movies: from recordings in two or more conditions to a "
            "page that says whether and where their dynamics differ.",
            args=arguments,
        )
    except SystemExit as ended:
        if not ended.code and any(flag in arguments for flag in HELP):
            sys.stdout.write(EXAMPLES.get(arguments[0], f"{WALK}\n{EXITS}"))
        raise


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; None for those of the process.

    Returns:
        Exit status: 0 done, 1 the computation failed, 2 bad input, 130 stopped by SIGINT, 143 by
        SIGTERM (a training has saved its last step then). Results are written to the
        standard output; what happens on the way to a terminal, and errors in one line to the standard error.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given:
        with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(SystemExit, BrokenPipeError):
            _parsed(["--help"])
        return USED_WRONGLY
    try:
        command = _parsed(given)
    except BrokenPipeError:
        return _reader_left()
    with ends_in_time(), speaking(command.verbose):
        try:
            status = command.run() or DONE
            sys.stdout.flush()
            return status
        except InputError as error:
            return _end(error, USED_WRONGLY)
        except (SolveError, TrainingError) as error:
            return _end(error, FAILED)
        except Stopped as stopped:
            return _end(stopped, STATUS + stopped.signum)
        except KeyboardInterrupt:
            return _end("interrupted", INTERRUPTED)
        except BrokenPipeError:
            return _reader_left()
        except OSError as error:  # a full disk, no permission: of the machine, not of the library
            what = error.strerror or type(error).__name__
            where = f"{error.filename}: " if error.filename else ""
            return _end(f"{where}{what}", FAILED)


def _reader_left() -> int:
    """Whoever read the standard output has seen enough (`lassovae check study.csv | head`)."""
    sys.stdout = None  # or Python complains at its end that it cannot be flushed
    return DONE


def _end(error: BaseException | str, status: int) -> int:
    sys.stderr.write(f"lassovae: error: {one_line(error)}\n")
    return status
