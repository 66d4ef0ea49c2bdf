"""The command `lassovae`: its sub-commands, and how it ends."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

import tyro

from lassovae._cli._design import Design
from lassovae._cli._fit import Fit
from lassovae._errors import InputError, SolveError, TrainingError

# Exit statuses; tyro ends with USED_WRONGLY, too, where an option is unknown or missing.
DONE, FAILED, USED_WRONGLY, INTERRUPTED = 0, 1, 2, 130


class Command(Protocol):
    """A sub-command: a dataclass whose fields are its options.

    Its module imports neither JAX nor anything that does, so that `--help` is quick and `--device` can still
    choose; `run` imports what it needs.
    """

    def run(self) -> None:
        """Do it.

        Raises:
            InputError: the user can mend it.
            SolveError, TrainingError: the computation failed.
        """


COMMANDS: dict[str, Callable[..., Command]] = {"fit": Fit, "design": Design}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; None for those of the process.

    Returns:
        Exit status: 0 done, 1 the computation failed, 2 bad input, 130 interrupted. Results are written to the
        standard output; what happens on the way, and errors in one line, to the standard error.
    """
    command = tyro.extras.subcommand_cli_from_dict(
        COMMANDS,
        prog="lassovae",
        description="Sparse dynamics of calcium-imaging movies. lassovae COMMAND --help tells of one command.",
        args=arguments,
    )
    logging.basicConfig(level=logging.WARNING, format="%(message)s")  # to the standard error
    logging.getLogger("lassovae").setLevel(logging.INFO)
    try:
        command.run()
    except InputError as error:
        return _end(error, USED_WRONGLY)
    except (SolveError, TrainingError) as error:
        return _end(error, FAILED)
    except KeyboardInterrupt:
        return _end("interrupted", INTERRUPTED)
    return DONE


def _end(error: Exception | str, status: int) -> int:
    sys.stderr.write(f"lassovae: error: {' '.join(str(error).split())}\n")
    return status
