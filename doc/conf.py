"""Sphinx configuration."""

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from api_reference import API_REFERENCE  # noqa: E402

import sklearn_hpo  # noqa: E402

project = "sklearn_hpo"
author = "The sklearn_hpo developers"
project_copyright = f"2026, {author}"
version = release = sklearn_hpo.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "auto_examples/GALLERY_HEADER.rst"]
templates_path = ["_templates"]
autosummary_generate = True
autodoc_typehints = "none"  # the docstrings tell the types in words
default_role = "literal"
numpydoc_show_class_members = False
# Inherited docstrings speak of scikit-learn's glossary.
suppress_warnings = ["ref.term"]

html_theme = "pydata_sphinx_theme"
html_title = f"sklearn_hpo {release}"
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "pygments_light_style": "tango",
    "secondary_sidebar_items": ["page-toc"],
    "footer_end": [],
}
html_show_sourcelink = False
single_pages = ("architecture", "benchmarks", "index", "quick_start", "whats_new")
html_sidebars = {"**": ["sidebar-nav-bs"], **{page: [] for page in single_pages}}

sphinx_gallery_conf = {
    "examples_dirs": str(HERE.parent / "examples"),
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
}


def write_reference():
    """Write the pages of the API reference from the list of public names."""
    lines = [".. _api:", "", "API reference", "=" * 13, ""]
    for section in API_REFERENCE:
        lines += [section["title"], "-" * len(section["title"]), "", section["text"]]
        lines += ["", ".. autosummary::", "   :toctree: generated", "   :nosignatures:"]
        lines += ["", *(f"   {name}" for name in section["names"]), ""]
    folder = HERE / "api"
    folder.mkdir(exist_ok=True)
    (folder / "index.rst").write_text("\n".join(lines), encoding="utf-8")


def quote_attributes(app, what, name, obj, options, lines):
    """Keep a shape such as "(n_features_in_,)" from being read as a reference."""
    lines[:] = [re.sub(r"\((\w+_),\)", r"(``\1``,)", line) for line in lines]


def setup(app):
    """Come before numpydoc, whose priority is 500."""
    app.connect("autodoc-process-docstring", quote_attributes, priority=400)


write_reference()
