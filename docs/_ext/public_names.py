"""A Sphinx extension: the build fails where a public name has no docstring or is on no page."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

PACKAGE = "lassovae"  # the setting public_names_package names another one


def packages(root: ModuleType) -> list[ModuleType]:
    """The root and those of its public names that are packages: what a user may import names from."""
    members = [getattr(root, name) for name in root.__all__]
    return [root, *(member for member in members if inspect.ismodule(member))]


def public_names(root: ModuleType) -> Iterator[tuple[str, Any]]:
    """Full name and object of everything in `__all__` of the packages, but the packages themselves and the version."""
    for package in packages(root):
        for name in package.__all__:
            member = getattr(package, name)
            if not inspect.ismodule(member) and not name.startswith("__"):
                yield f"{package.__name__}.{name}", member


def _own_docstring(member: Any) -> str:
    """Without what is inherited, and without what Python writes by itself for a NamedTuple or a dataclass."""
    text = (vars(member).get("__doc__") if inspect.isclass(member) else member.__doc__) or ""
    return "" if inspect.isclass(member) and text.startswith(f"{member.__name__}(") else text


def _fields(member: type) -> list[str]:
    if hasattr(member, "_fields"):
        return list(member._fields)
    return list(getattr(member, "__dataclass_fields__", ()))


def _without_docstring(full_name: str, member: Any) -> Iterator[str]:
    if not (inspect.isclass(member) or callable(member)):
        return  # a constant: its page says what it is
    text = _own_docstring(member)
    if not text.strip():
        yield f"{full_name} has no docstring"
        return
    if not inspect.isclass(member):
        return
    for field in _fields(member):
        if field not in text:
            yield f"{full_name}.{field} is not in the docstring of its class"
    for name, value in vars(member).items():
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        is_method = inspect.isfunction(function) and not name.startswith("_")
        if is_method and not (function.__doc__ or "").strip():
            yield f"{full_name}.{name} has no docstring"


def faults(root: ModuleType, documented: set[str]) -> list[str]:
    """What a reader would miss.

    Args:
        root: the package.
        documented: full names that have a place on some page.

    Returns:
        A sentence for each public name without a docstring or without a place; empty if all is well.
    """
    found = []
    for full_name, member in public_names(root):
        found += _without_docstring(full_name, member)
        if full_name not in documented:
            found.append(f"{full_name} is on no page of the API")
    return found


def _check(app: Any, env: Any) -> None:
    from sphinx.errors import ExtensionError

    documented = set(env.domains.python_domain.objects)
    found = faults(import_module(app.config.public_names_package), documented)
    if found:
        raise ExtensionError("public names without documentation:\n  " + "\n  ".join(found))


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_config_value("public_names_package", PACKAGE, "env", str)
    app.connect("env-check-consistency", _check)
    return {"version": "1", "parallel_read_safe": True}
