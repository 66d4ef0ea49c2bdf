"""Damaged files through a reader of the library: `python benchmarks/fuzz_readers.py --reader tiff --files 100000`.

Every file must be read or refused by the library's own error, within 5 s of the processor's time and within memory of
twice the file's size, 100 MB and the frames asked for. All else is a finding: it is kept in the folder of --findings,
and the exit code is 1. File k of a seed is the same each time: --first k --files 1 reads it again. Needs Linux.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
import tempfile
from pathlib import Path

import fuzzing
from fuzzing.engine import Work, replay, run
from fuzzing.judge import emptied
from fuzzing.target import Target

PREFIX = "reader_"
IN_MEMORY = Path("/dev/shm")


def readers() -> list[str]:
    """Names of the readers that can be tried."""
    modules = pkgutil.iter_modules(fuzzing.__path__)
    return [module.name.removeprefix(PREFIX) for module in modules if module.name.startswith(PREFIX)]


def target_of(reader: str) -> Target:
    """What is known of a reader."""
    target: Target = importlib.import_module(f"fuzzing.{PREFIX}{reader}").TARGET
    return target


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--reader", choices=readers(), required=True)
    parser.add_argument("--files", type=int, default=1000, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of the randomness")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument(
        "--findings", type=Path, default=Path("results/fuzz"), help="folder that keeps findings"
    )
    parser.add_argument("--longest", type=float, default=5.0, help="seconds of the processor for a file")
    parser.add_argument("--replay", type=Path, nargs="*", help="read these files, or folders, as they are")
    parser.add_argument("--work", type=Path, default=IN_MEMORY if IN_MEMORY.is_dir() else None)
    options = parser.parse_args()
    target = target_of(options.reader)
    with tempfile.TemporaryDirectory(prefix="lassovae-fuzz-", dir=options.work) as work:
        folder = Path(work)
        seeds = target.make_seeds(emptied(folder / "seeds"))
        if options.replay is not None:
            outcomes = [(place, replay(target, place, folder / "files")) for place in options.replay]
            for place, outcome in outcomes:
                print(f"{place.name}: {outcome.kind}: {outcome.what.replace(str(folder / 'files'), '')}")
            sys.exit(any(outcome.kind == "finding" for _, outcome in outcomes))
        last, jobs = options.first + options.files, options.jobs
        found = run(
            Work(
                target,
                seeds,
                options.seed,
                options.first,
                last,
                jobs,
                folder,
                options.findings,
                options.longest,
            )
        )
    print(json.dumps(found))
    sys.exit(found["findings"] > 0)


if __name__ == "__main__":
    main()
