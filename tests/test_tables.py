"""Figures in the documents are those of the benchmarks' files."""

import importlib.util
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where its dataclass looks for its annotations
    spec.loader.exec_module(module)
    del sys.modules[name]
    return module


def test_tables_are_what_the_benchmarks_wrote():
    tables = script("write_tables")
    found = 0
    for path in tables.FILES:
        text = path.read_text(encoding="utf-8")
        assert tables.with_tables(text) == text, f"{path.name}: run python benchmarks/write_tables.py"
        found += sum(f"<!-- {name} -->" in text for name in tables.TABLES)
    assert found >= 2


def test_decisions_show_what_the_evidence_says():
    """Every page has the tables of its files, and no file is without a page."""
    decisions = script("write_decisions")
    shown = []
    for path in decisions.files():
        text = path.read_text(encoding="utf-8")
        assert decisions.with_tables(text) == text, f"{path.name}: run python benchmarks/write_decisions.py"
        shown += [name for name in decisions.TABLES if f"<!-- {name} -->" in text]
    files = {path.stem for path in decisions.EVIDENCE.glob("*.csv")}
    assert {decisions.TABLES[name].file for name in shown} == files
    index = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in decisions.files() if path.parent.name == "decisions"} - {
        "README.md"
    } == set(re.findall(r"\(([a-z_]+\.md)\)", index))
