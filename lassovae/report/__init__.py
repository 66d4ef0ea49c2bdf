"""Tables, figures and one self-contained HTML page from the results of a comparison."""

from lassovae.report._compare import compare
from lassovae.report._page import summary
from lassovae.report._tables import all_tables, write_tables

__all__ = ["all_tables", "compare", "summary", "write_tables"]
