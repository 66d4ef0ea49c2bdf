"""How Sphinx builds the site: `make docs`, or `sphinx-build -W -n docs docs/_build/html`."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from pygments.lexers import BashLexer

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

project = "lassovae"
author = "The lassovae developers"
copyright = "the lassovae developers, Apache-2.0"
SOURCE = (HERE.parent / "lassovae" / "__init__.py").read_text(encoding="utf-8")
version = release = re.findall(r'^__version__ = "(.+)"$', SOURCE, re.MULTILINE)[0]

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx-mathjax-offline",
    "sphinxcontrib.bibtex",
    "myst_nb",
    "plain_docstrings",
    "public_names",
    "public_table",
    "command_help",
]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
nitpicky = True  # a reference to a name that has no page is an error,
nitpick_ignore_regex = [  # but for names of others: to link them, their indices would have to be fetched at every build
    ("py:.*", r"(numpy|np|jax|jaxlib|matplotlib|collections|pathlib|os|typing)\..*"),
    (
        "py:class",
        r"[A-Z]\w*|datetime",
    ),  # in a signature, as its module imports it; ours are found all the same
]
suppress_warnings = ["config.cache"]  # the extensions' own settings need no pickling
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme = "furo"
html_title = f"lassovae {release}"
html_copy_source = False
html_show_sourcelink = False
highlight_language = "none"  # a block that names no language is no Python
pygments_style = "friendly"
pygments_dark_style = "monokai"

# Pages are read from disk and on machines without a network, so that nothing may come from elsewhere: MathJax is
# brought by sphinx-mathjax-offline, and drawn as SVG, which needs no fonts.
mathjax_path = "mathjax/tex-svg.js"

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"  # what a page shows is what the code of this commit computes
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_merge_streams = True
nb_output_stderr = "warn"  # a warning of a library in a notebook is an error of the page
os.environ["MPLBACKEND"] = (
    "module://matplotlib_inline.backend_inline"  # whatever it is outside: figures belong here
)

bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "plain"
bibtex_reference_style = "author_year"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_use_type_comments = False
autodoc_type_aliases = {"ArrayLike": "ArrayLike", "npt.ArrayLike": "ArrayLike"}
python_maximum_signature_line_length = 100
autosummary_generate = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_param = True
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
napoleon_preprocess_types = False
napoleon_custom_sections = ["Status", "Differentiation", "Complexity"]


def setup(app: Any) -> None:
    """Called by Sphinx. Commands are shown without a prompt, which Pygments' own lexer takes for output."""
    app.add_lexer("console", BashLexer)
