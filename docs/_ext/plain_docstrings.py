"""A Sphinx extension: the library's docstrings are plain text with Google's sections, and are shown as such.

A name in backticks becomes a link if it is public, code if not; bars, stars and underscores of formulas are not taken
for markup; an indented paragraph is a formula or a listing; names of private modules in signatures lead to the
public ones.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from importlib import import_module
from typing import Any

from public_names import PACKAGE, public_names

BACKTICKED = re.compile(r"(`[^`]+`)")
MARKUP = re.compile(r"([*|\\]|(?<=\w)_(?!\w))")
BULLET = re.compile(r"\s*\* ")
ALIAS = re.compile(r"TypeAliasForwardRef\('(\w+)'\)")
ARRAY = re.compile(
    r"~?numpy\.ndarray\[(?:tuple\[)?~?typing\.Any(?:, \.\.\.\])?, ~?numpy\.dtype\[([~\w.]+)\]\]"
)
JOINT_SECTION = re.compile(r"^(\s*)((?:[A-Z]\w+, )+[A-Z]\w+):$")
SECTION = re.compile(r"^\s*[A-Z]\w+:$")


@cache
def places() -> dict[str, str]:
    """Short names, and names as private modules have them, to full public names; ambiguous ones are left out.

    A name that is public in a package and at the top is found at the top.
    """
    found: dict[str, str] = {}
    homes: dict[int, str] = {}
    short: Counter[str] = Counter()
    for full_name, member in public_names(import_module(PACKAGE)):
        full_name = homes.setdefault(id(member), full_name)
        name = full_name.rpartition(".")[2]
        if found.get(name) != full_name:
            short[name] += 1
        found[name] = found[full_name] = full_name
        module = getattr(member, "__module__", None)
        if isinstance(module, str) and hasattr(member, "__qualname__"):
            found[f"{module}.{member.__qualname__}"] = full_name
    return {name: full_name for name, full_name in found.items() if short[name] < 2}


def _name(quoted: str) -> str:
    name = quoted[1:-1]
    place = places().get(name) or places().get(name.removesuffix("()"))
    return f":py:obj:`{name} <{place}>`" if place else f"`{quoted}`"


def _text(line: str) -> str:
    bullet = BULLET.match(line)
    start = bullet.end() if bullet else 0
    parts = BACKTICKED.split(line[start:])
    return line[:start] + "".join(
        _name(part) if i % 2 else MARKUP.sub(r"\\\1", part) for i, part in enumerate(parts)
    )


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _as_fields(lines: list[str]) -> list[str]:
    """`Returns:` as a field: napoleon would take what stands before a colon of its text for a type."""
    shown: list[str] = []
    in_returns = False
    for line in lines:
        if line.strip() == "Returns:":
            in_returns = True
            continue
        if in_returns and line.strip():
            shown.append(f"{' ' * (_indent(line) - 4)}:returns: {line.lstrip()}")
            in_returns = False
            continue
        shown.append(line)
    return shown


def _one_name_each(lines: list[str]) -> list[str]:
    """In `Attributes:`, "a, b: text" as two entries: napoleon would take "a," for a type."""
    shown: list[str] = []
    base = -1  # indent of the section's heading; -1 outside
    entry: list[str] = []

    def close() -> None:
        names, _, text = entry[0].strip().partition(": ") if entry else ("", "", "")
        for name in names.split(", "):
            shown.extend([f"{' ' * (base + 4)}{name}: {text}", *entry[1:]])
        entry.clear()

    for line in lines:
        if base >= 0 and line.strip() and _indent(line) == base + 4:
            if entry:
                close()
            entry.append(line)
        elif entry and line.strip() and _indent(line) > base + 4:
            entry.append(line)
        else:
            if entry:
                close()
            base = _indent(line) if line.strip() == "Attributes:" else -1
            shown.append(line)
    if entry:
        close()
    return shown


def as_restructured_text(lines: list[str]) -> list[str]:
    """A docstring's lines, for napoleon."""
    lines = _one_name_each(_as_fields(lines))
    shown: list[str] = []
    example = listing = -1  # indent of the doctest or listing that is being read; -1 outside
    before = ""  # last line that was not blank
    for line in lines:
        if not line.strip():
            shown.append(line)
            continue
        indent = _indent(line)
        after_blank = bool(shown) and not shown[-1].strip()
        if example >= 0 and (indent < example or (after_blank and not line.lstrip().startswith(">>>"))):
            example = -1
        if listing >= 0 and indent < listing:
            listing = -1
        if line.lstrip().startswith(">>>"):
            example = indent
        opens = after_blank and before and indent > _indent(before) and not SECTION.match(before)
        if example < 0 and listing < 0 and opens:
            listing = indent
            shown += [" " * _indent(before) + "::", ""]
        joint = JOINT_SECTION.match(line)
        if example >= 0 or listing >= 0:
            shown.append(line)
        elif joint:
            shown += [f"{joint[1]}**{joint[2]}**", ""]
        else:
            shown.append(_text(line))
        before = line
    return shown


def _process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = as_restructured_text(lines)


def _skip(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Fields of a NamedTuple: the docstring of the class says what they are."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def _signature(
    app: Any, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """As written: `autodoc_type_aliases` leaves its own class in unions, and `NDArray` is spelt out."""

    def plain(text: str | None) -> str | None:
        return ARRAY.sub(r"NDArray[\1]", ALIAS.sub(r"\1", text)) if text else text

    return plain(signature), plain(returns)


def _resolve(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py":
        return None
    place = places().get(target)
    if place is None:  # a private type in a signature is shown by its name alone
        return contnode if target.startswith(f"{PACKAGE}.") and "._" in target else None
    domain = env.domains.python_domain
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", place, node, contnode)


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _process, priority=400)  # before napoleon, at 500
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-skip-member", _skip)
    app.connect("missing-reference", _resolve)
    return {"version": "1", "parallel_read_safe": True}
