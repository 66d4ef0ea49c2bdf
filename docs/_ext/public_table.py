"""A Sphinx extension: the directive `public-table PACKAGE` lists a package's public names with their first lines."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.ext.autosummary import Autosummary


class PublicTable(Autosummary):
    """As `autosummary` of all functions and classes in the package's `__all__`, in their order."""

    required_arguments = 1
    has_content = False

    def run(self) -> list[nodes.Node]:
        """The table."""
        package = import_module(self.arguments[0])
        names = [name for name in package.__all__ if not name.startswith("__")]
        shown = [name for name in names if callable(getattr(package, name))]
        shown = [name for name in shown if not inspect.ismodule(getattr(package, name))]
        self.options["nosignatures"] = True
        self.content = StringList([f"~{package.__name__}.{name}" for name in shown], source=self.arguments[0])
        return super().run()


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    app.setup_extension("sphinx.ext.autosummary")
    app.add_directive("public-table", PublicTable)
    return {"version": "1", "parallel_read_safe": True}
