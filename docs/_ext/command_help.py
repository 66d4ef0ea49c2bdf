"""A Sphinx extension: the directive `command-help` shows what the command line says of itself, asked at build time."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive

COLUMNS = 88


def help_text(*arguments: str) -> str:
    """What `lassovae ARGUMENTS --help` prints, without colours, as wide as a page."""
    environment = os.environ | {
        "COLUMNS": str(COLUMNS),
        "NO_COLOR": "1",
        "TERM": "dumb",
        "JAX_PLATFORMS": "cpu",
    }
    done = subprocess.run(
        [sys.executable, "-m", "lassovae", *arguments, "--help"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip("\n").splitlines())


class CommandHelp(Directive):
    """`{command-help}`: a section for each sub-command that there is, with its help."""

    has_content = False

    def run(self) -> list[nodes.Node]:
        """The sections."""
        from lassovae._cli import COMMANDS

        found: list[nodes.Node] = [nodes.literal_block("", help_text(), language="text")]
        for name in COMMANDS:
            section = nodes.section(ids=[f"command-{name}"], names=[f"command-{name}"])
            section += nodes.title("", f"lassovae {name}")
            section += nodes.literal_block("", help_text(name), language="text")
            found.append(section)
        return found


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("command-help", CommandHelp)
    return {"version": "1", "parallel_read_safe": True}
