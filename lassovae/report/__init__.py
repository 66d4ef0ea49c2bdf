"""Tables, figures and one self-contained HTML page from results of one model or of a comparison."""

from lassovae.report._compare import compare
from lassovae.report._results import write_results
from lassovae.report._shown import summary
from lassovae.report._tables import all_tables, write_tables
from lassovae.report._write import write_report

__all__ = ["all_tables", "compare", "summary", "write_report", "write_results", "write_tables"]
