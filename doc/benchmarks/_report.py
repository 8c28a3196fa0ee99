"""What the benchmarks print and keep: the machine, tables, result files."""

import json
import os
import platform
import re
from importlib import metadata
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def machine(*packages):
    """Return a line that names the processor and the versions.

    Parameters
    ----------
    *packages : str
        Distributions to name beside NumPy, SciPy and scikit-learn, if installed.

    Returns
    -------
    line : str
        One sentence.
    """
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        info = ""
    found = re.search(r"model name\s*: (.*)", info)
    versions = []
    for name in ("numpy", "scipy", "scikit-learn", *packages):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return (
        f"Measured on {found[1] if found else platform.machine()}, "
        f"{os.cpu_count()} cores, with Python {platform.python_version()}, "
        f"{', '.join(versions)}; one thread for each process."
    )


def table(header, rows):
    """Return a simple table of reStructuredText.

    Parameters
    ----------
    header : list of str
        Names of the columns.
    rows : list of list of str
        Cells; the first of a row must not be empty.

    Returns
    -------
    text : str
        The table, with no empty line before it or after it.
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = "  ".join("=" * width for width in widths)
    lines = [
        "  ".join(map(str.ljust, cells, widths)).rstrip() for cells in [header, *rows]
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


def save(name, text, data=None):
    """Write what a page of the documentation includes, and the data behind it.

    Parameters
    ----------
    name : str or Path
        Path of the JSON file; the text stands beside it as ``.txt``.
    text : str
        In reStructuredText.
    data : object, default=None
        What the JSON file holds; None leaves it alone.
    """
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".txt").write_text(text + "\n", encoding="utf-8")
    if data is not None:
        path.write_text(json.dumps(data, separators=(",", ":")), encoding="utf-8")
