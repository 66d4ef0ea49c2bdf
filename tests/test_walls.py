"""The walls between the packages, kept by reading syntax trees; each rule is shown to catch a breach."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# The walls. Package names are those below lassovae; a wall holds for whatever an import leads to, too.
JAX_FAMILY = frozenset({"jax", "jaxlib", "flax", "optax", "orbax"})
FREE_OF_JAX = ("data", "plots", "stats")
ONLY_IN = {"flax": "lassovae.autoencoder._modules", "orbax": "lassovae.training._checkpoint"}
KNOWS_NOTHING_OF = {
    "lasso": {"_cli", "autoencoder", "data", "maps", "plots", "report", "stats", "training", "var"},
    "var": {"_cli", "autoencoder", "data", "maps", "plots", "report", "training"},
    "autoencoder": {"_cli", "data", "lasso", "plots", "report", "training", "var"},
    "stats": {"_cli", "autoencoder", "lasso", "report", "training", "var"},
    # the command line calls the library, never the other way round
    "data": {"_cli"},
    "maps": {"_cli"},
    "plots": {"_cli"},
    "report": {"_cli"},
    "training": {"_cli"},
    "_processes": {"_cli", "training"},
}
# Rooms whose modules import no JAX when they are imported, so that `lassovae --help` is quick and `--device` can
# still choose; inside functions they may.
FREE_OF_JAX_AT_IMPORT = ("_cli", "__main__")
UNSAFE_FORMATS = frozenset({"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"})
MAX_LINES = 400
# `from lassovae import __version__` reads a constant set before the root imports anything: not an edge.
CONSTANTS_OF_ROOT = frozenset({"__version__"})
# Distributions of the base install that are imported under another name, and what one of them brings along.
IMPORT_NAMES = {"orbax-checkpoint": {"orbax"}, "jax": {"jax", "jaxlib"}, "scikit-image": {"skimage"}}


@dataclass(frozen=True)
class Import:
    """One imported name: `module` is dotted and absolute, `name` what `from module import name` takes."""

    module: str
    name: str | None
    line: int
    at_module_scope: bool
    for_types_only: bool


class _ImportCollector(ast.NodeVisitor):
    def __init__(self, module: str, is_package: bool) -> None:
        self.module, self.is_package = module, is_package
        self.found: list[Import] = []
        self._in_function = self._for_types = False

    def _add(self, node: ast.AST, module: str, name: str | None) -> None:
        self.found.append(Import(module, name, node.lineno, not self._in_function, self._for_types))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(node, alias.name, None)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level:
            up = node.level - (1 if self.is_package else 0)
            parts = self.module.split(".")
            module = ".".join([*parts[: len(parts) - up], *([module] if module else [])])
        for alias in node.names:
            self._add(node, module, alias.name)

    def visit_Call(self, node: ast.Call) -> None:
        dynamic = ast.unparse(node.func) in {"importlib.import_module", "import_module", "__import__"}
        if dynamic and node.args and isinstance(node.args[0], ast.Constant):
            self._add(node, str(node.args[0].value), None)
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) not in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            self.generic_visit(node)
            return
        outer, self._for_types = self._for_types, True
        for child in node.body:
            self.visit(child)
        self._for_types = outer
        for child in node.orelse:
            self.visit(child)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        outer, self._in_function = self._in_function, True
        self.generic_visit(node)
        self._in_function = outer

    visit_AsyncFunctionDef = visit_FunctionDef
    visit_Lambda = visit_FunctionDef


class Code:
    """The sources of a package by dotted module name, with their imports and the graph these make."""

    def __init__(self, sources: dict[str, str], packages: set[str]) -> None:
        self.sources, self.packages = sources, packages
        self.trees = {module: ast.parse(text) for module, text in sources.items()}
        self.imports: dict[str, list[Import]] = {}
        for module, tree in self.trees.items():
            collector = _ImportCollector(module, module in packages)
            collector.visit(tree)
            self.imports[module] = collector.found

    @classmethod
    def of_library(cls) -> Code:
        sources, packages = {}, set()
        for path in sorted((ROOT / "lassovae").rglob("*.py")):
            parts = list(path.relative_to(ROOT).with_suffix("").parts)
            if parts[-1] == "__init__":
                parts.pop()
                packages.add(".".join(parts))
            sources[".".join(parts)] = path.read_text(encoding="utf-8")
        return cls(sources, packages)

    @classmethod
    def of(cls, **sources: str) -> Code:
        """Sources for the tests of the rules: `lasso__solve` is lassovae.lasso._solve, `root` lassovae."""
        named = {"lassovae": sources.pop("root", "")}
        for key, text in sources.items():
            package, _, leaf = key.partition("__")
            named.setdefault(f"lassovae.{package}", "")
            named[f"lassovae.{package}._{leaf}" if leaf else f"lassovae.{package}"] = text
        return cls(named, {name for name in named if name.count(".") < 2})

    def target(self, item: Import) -> str | None:
        """The module of this package that an import depends on, None for one from outside."""
        if item.name is not None and f"{item.module}.{item.name}" in self.sources:
            return f"{item.module}.{item.name}"
        if item.module == "lassovae" and item.name in CONSTANTS_OF_ROOT:
            return None
        return item.module if item.module in self.sources else None

    def edges(self, module: str) -> Iterator[tuple[str, Import]]:
        for item in self.imports[module]:
            target = self.target(item)
            if target is not None and target != module:
                yield target, item

    def reach(self, module: str, at_import: bool = False) -> dict[str, list[str]]:
        """Every module that `module` leads to at run time, or when it is imported, with the chain to it."""
        chains = {module: [module]}
        queue = [module]
        while queue:
            here = queue.pop(0)
            for target, item in self.edges(here):
                if at_import and not item.at_module_scope:
                    continue
                if target not in chains and not (item.for_types_only and here != module):
                    chains[target] = [*chains[here], target]
                    queue.append(target)
        return chains


def package_of(module: str) -> str:
    """The room a module is in: "lasso" for lassovae.lasso._solve, "" for lassovae itself."""
    return module.split(".")[1] if "." in module else ""


def top(item: Import) -> str:
    return item.module.split(".")[0]


def free_of_jax(code: Code) -> list[str]:
    found = []
    for module in code.sources:
        if package_of(module) not in FREE_OF_JAX:
            continue
        for reached, chain in code.reach(module).items():
            names = sorted({top(item) for item in code.imports[reached]} & JAX_FAMILY)
            if names:
                found.append(f"{' -> '.join(chain)} imports {', '.join(names)}")
    return found


def free_of_jax_at_import(code: Code) -> list[str]:
    found = []
    for module in code.sources:
        if package_of(module) not in FREE_OF_JAX_AT_IMPORT:
            continue
        for reached, chain in code.reach(module, at_import=True).items():
            items = [
                item for item in code.imports[reached] if item.at_module_scope and not item.for_types_only
            ]
            names = sorted({top(item) for item in items} & JAX_FAMILY)
            if names:
                found.append(f"{' -> '.join(chain)} imports {', '.join(names)}")
    return found


def only_in_their_file(code: Code) -> list[str]:
    return [
        f"{module}:{item.line} imports {top(item)}, which only {ONLY_IN[top(item)]} may"
        for module, items in code.imports.items()
        for item in items
        if ONLY_IN.get(top(item), module) != module
    ]


def packages_keep_apart(code: Code) -> list[str]:
    found = []
    for module in code.sources:
        forbidden = KNOWS_NOTHING_OF.get(package_of(module), set())
        for reached, chain in code.reach(module).items():
            if package_of(reached) in forbidden:
                found.append(" -> ".join(chain))
    return found


def no_cycles(code: Code) -> list[str]:
    """Imports inside functions count, for they only hide a cycle; those for types alone do not."""
    graph = {
        module: sorted({target for target, item in code.edges(module) if not item.for_types_only})
        for module in code.sources
    }
    found, done = [], set()

    def walk(module: str, path: list[str]) -> None:
        if module in path:
            found.append(" -> ".join([*path[path.index(module) :], module]))
        elif module not in done:
            for target in graph[module]:
                walk(target, [*path, module])
            done.add(module)

    for module in graph:
        walk(module, [])
    return found


def base_names() -> set[str]:
    """What a base install can import: the standard library, the base dependencies, and the library itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {"lassovae", "__future__"} | set(sys.stdlib_module_names)
    for requirement in project["dependencies"]:
        distribution = re.match(r"[\w.-]+", requirement).group().lower()
        names |= IMPORT_NAMES.get(distribution, {distribution.replace("-", "_")})
    return names


def no_optional_dependency_at_module_scope(code: Code) -> list[str]:
    allowed = base_names()
    return [
        f"{module}:{item.line} imports {top(item)}, which a base install lacks: import it where it is used"
        for module, items in code.imports.items()
        for item in items
        if item.at_module_scope and not item.for_types_only and top(item) not in allowed
    ]


def _says_nothing(handler: ast.ExceptHandler) -> bool:
    return all(
        isinstance(statement, ast.Pass)
        or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for statement in handler.body
    )


def _banned(node: ast.AST) -> str | None:
    match node:
        case ast.Call(func=ast.Name(id="print")):
            return "print"
        case ast.Call(keywords=keywords) if any(
            k.arg == "allow_pickle" and not (isinstance(k.value, ast.Constant) and k.value.value is False)
            for k in keywords
        ):
            return "allow_pickle"
        case ast.Call(func=ast.Name(id="suppress") | ast.Attribute(attr="suppress"), args=args) if any(
            ast.unparse(a) in {"Exception", "BaseException"} for a in args
        ):
            return "suppress(Exception)"
        case ast.Attribute(attr="config", value=ast.Name(id="jax")):
            return "jax.config"
        case ast.Attribute(attr="_src", value=ast.Name(id="jax")):
            return "jax._src"
        case ast.Assert():
            return "assert"
        case ast.ExceptHandler() if _says_nothing(node):
            return "an except that says nothing"
        case ast.ExceptHandler(type=None):
            return "a bare except"
    return None


def no_banned_constructs(code: Code) -> list[str]:
    found = []
    for module, tree in code.trees.items():
        for node in ast.walk(tree):
            what = _banned(node)
            if what is not None:
                found.append(f"{module}:{node.lineno} holds {what}")
        for item in code.imports[module]:
            full = f"{item.module}.{item.name}" if item.name else item.module
            if full.startswith("jax._src"):
                found.append(f"{module}:{item.line} imports jax._src")
            if full in {"jax.config", "jax.config.config"}:
                found.append(f"{module}:{item.line} imports jax.config")
            if top(item) in UNSAFE_FORMATS:
                found.append(f"{module}:{item.line} imports {top(item)}")
    return found


def type_ignores_have_a_reason(code: Code) -> list[str]:
    found = []
    for module, text in code.sources.items():
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT and re.search(r"type:\s*ignore(\[[^\]]*\])?\s*$", token.string):
                found.append(f"{module}:{token.start[0]} ignores a type without a reason")
    return found


def files_are_short(code: Code) -> list[str]:
    lengths = {module: len(text.splitlines()) for module, text in code.sources.items()}
    return [f"{module} has {n} lines, over {MAX_LINES}" for module, n in lengths.items() if n > MAX_LINES]


RULES = [
    free_of_jax,
    free_of_jax_at_import,
    only_in_their_file,
    packages_keep_apart,
    no_cycles,
    no_optional_dependency_at_module_scope,
    no_banned_constructs,
    type_ignores_have_a_reason,
    files_are_short,
]


@pytest.fixture(scope="module")
def library() -> Code:
    return Code.of_library()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_library_keeps_the_rule(rule, library):
    breaches = rule(library)
    assert not breaches, "\n".join(breaches)


def test_walls_name_packages_that_exist(library):
    rooms = {package_of(module) for module in library.sources}
    assert set(KNOWS_NOTHING_OF) | set(FREE_OF_JAX) | set(FREE_OF_JAX_AT_IMPORT) <= rooms


BREACHES = [
    (free_of_jax, {"stats__swap": "import jax.numpy as jnp"}),
    (free_of_jax, {"plots": "def draw():\n    from jax import numpy"}),
    (free_of_jax, {"data__open": "import importlib\nimportlib.import_module('optax')"}),
    (
        free_of_jax,
        {"data__open": "from lassovae.maps import f", "maps": "from ._g import f", "maps__g": "import jax"},
    ),
    (free_of_jax_at_import, {"_cli": "import jax"}),
    (free_of_jax_at_import, {"_cli": "from lassovae.maps import f", "maps": "import jax"}),
    (only_in_their_file, {"autoencoder__model": "from flax import linen"}),
    (only_in_their_file, {"training__loop": "def save():\n    import orbax.checkpoint.v1"}),
    (packages_keep_apart, {"lasso__solve": "from lassovae.var import fit_var", "var": ""}),
    (packages_keep_apart, {"lasso__solve": "from ..var import _fit", "var__fit": ""}),
    (packages_keep_apart, {"stats__swap": "import lassovae.training._loop", "training__loop": ""}),
    (
        packages_keep_apart,
        {"var": "from lassovae.maps import m", "maps": "from lassovae.data import d", "data": ""},
    ),
    (packages_keep_apart, {"autoencoder": "from lassovae import lasso", "lasso": ""}),
    (
        packages_keep_apart,
        {"root": "from lassovae.var import f", "var": "", "lasso": "from lassovae import f"},
    ),
    (packages_keep_apart, {"training__loop": "from lassovae._cli import main", "_cli": ""}),
    (
        no_cycles,
        {"maps": "from lassovae.plots import a", "plots": "def f():\n    import lassovae.maps"},
    ),
    (no_cycles, {"root": "from lassovae.var import f", "var": "from lassovae import Status"}),
    (no_cycles, {"var__fit": "from ._design import lags", "var__design": "from . import _fit"}),
    (no_optional_dependency_at_module_scope, {"data__zarr": "import zarr"}),
    (no_optional_dependency_at_module_scope, {"data__nwb": "try:\n    import pynwb\nfinally:\n    x = 1"}),
    (no_optional_dependency_at_module_scope, {"stats": "from sklearn.linear_model import LassoLars"}),
    (no_banned_constructs, {"var": "print('done')"}),
    (no_banned_constructs, {"var": "import jax\njax.config.update('jax_enable_x64', True)"}),
    (no_banned_constructs, {"var": "from jax import config"}),
    (no_banned_constructs, {"var": "from jax._src import core"}),
    (no_banned_constructs, {"var": "import jax\njax._src.core"}),
    (no_banned_constructs, {"var": "import pickle"}),
    (no_banned_constructs, {"var": "import numpy as np\nnp.load('a.npz', allow_pickle=True)"}),
    (no_banned_constructs, {"var": "def f(x):\n    assert x > 0"}),
    (no_banned_constructs, {"var": "try:\n    f()\nexcept ValueError:\n    pass"}),
    (no_banned_constructs, {"var": "try:\n    f()\nexcept ImportError:\n    ..."}),
    (no_banned_constructs, {"var": "try:\n    f()\nexcept:\n    g()"}),
    (no_banned_constructs, {"var": "import contextlib\nwith contextlib.suppress(Exception):\n    f()"}),
    (type_ignores_have_a_reason, {"var": "x: int = 'a'  # type: ignore[assignment]"}),
    (files_are_short, {"var": "x = 1\n" * (MAX_LINES + 1)}),
]


@pytest.mark.parametrize(
    ("rule", "sources"), BREACHES, ids=[f"{rule.__name__}-{'-'.join(sources)}" for rule, sources in BREACHES]
)
def test_rule_catches_a_breach(rule, sources):
    assert rule(Code.of(**sources))


def test_rules_let_good_code_pass():
    code = Code.of(
        root='__version__ = "1"\nfrom lassovae.training import fit',
        stats__swap="import numpy as np\nfrom scipy import stats",
        data__zarr="def read(path):\n    import zarr\n    return zarr.open(path)",
        plots="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas",
        lasso__solve="import jax\nfrom ._loop import run\nwith jax.enable_x64(True):\n    run()",
        lasso__loop="import jax.numpy as jnp\ndef run():\n    return jnp.zeros(3)",
        _cli="def run():\n    import jax\n    from lassovae.training import fit",
        autoencoder__modules="from flax import linen",
        training__checkpoint="from orbax.checkpoint import v1 as ocp",
        training="from lassovae import __version__\nfrom lassovae.lasso import _solve",
        maps="x = f()  # type: ignore[name-defined]  # f is injected",
        var="try:\n    g()\nexcept KeyError as e:\n    raise E from e",
    )
    assert {rule.__name__: rule(code) for rule in RULES} == {rule.__name__: [] for rule in RULES}
