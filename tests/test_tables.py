"""Figures in the documents are those of the benchmarks' files."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_tables_are_what_the_benchmarks_wrote():
    spec = importlib.util.spec_from_file_location("write_tables", ROOT / "benchmarks" / "write_tables.py")
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    found = 0
    for path in tables.FILES:
        text = path.read_text(encoding="utf-8")
        assert tables.with_tables(text) == text, f"{path.name}: run python benchmarks/write_tables.py"
        found += sum(f"<!-- {name} -->" in text for name in tables.TABLES)
    assert found >= 2
