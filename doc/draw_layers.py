"""Draw the layers that `setup.cfg` holds: `python doc/draw_layers.py [--check]`.

It writes `images/layers.svg`. With `--check` nothing is written, and a picture that is
out of date is an error; so is a layer that nothing is said about here.
"""

import sys
from configparser import ConfigParser
from html import escape
from pathlib import Path

HERE = Path(__file__).parent
PICTURE = HERE / "images" / "layers.svg"
TEXTS = {
    "search": "what users call: fit, read from top to bottom, and its results",
    "testing": "checks for parts of your own",
    "_study": "the loop, where the parts meet; AskTell; who is told what, and when",
    "_evaluation": "one job: fit and score a fold, with a share of a resource",
    "_execution": "jobs to workers",
    "_checkpoint": "what is done, in a file",
    "optimizers": "what to try next",
    "schedulers": "what runs next, how far",
    "space": "candidates as rows of numbers",
    "_numerics": "models and searches on arrays",
    "_trial": "what crosses the layers: Trial, FoldJob, FoldResult",
    "_identity": "what makes two values, or two pieces of code, the same",
    "_sklearn_compat": "scikit-learn's private names",
    "_joblib_compat": "those of joblib",
    "_sklearn_types": "scikit-learn's types",
}
WIDTH, HEIGHT, GAP, EDGE = 880, 58, 8, 16


def layers():
    """Return the modules of each layer, from the top."""
    config = ConfigParser()
    config.read(HERE.parent / "setup.cfg")
    lines = config["importlinter:contract:layers"]["layers"].split("\n")
    return [line.replace(":", "|").split("|") for line in lines if line.strip()]


def box(name, x, y, width):
    """Return a box with the name of a module and what is said of it."""
    middle = x + width / 2
    return [
        f'<rect x="{x:g}" y="{y}" width="{width:g}" height="{HEIGHT}" rx="6"/>',
        f'<text x="{middle:g}" y="{y + 24}" class="name">{name}</text>',
        f'<text x="{middle:g}" y="{y + 44}">{escape(TEXTS[name])}</text>',
    ]


def picture():
    """Return the text of the picture."""
    rows = layers()
    height = 2 * EDGE + len(rows) * (HEIGHT + GAP) - GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="sans-serif">',
        "<style>rect { fill: #e3edf7; stroke: #41688f } .page { fill: #fff; "
        "stroke: none } text { font-size: 13px; text-anchor: middle; fill: #333 } "
        ".name { font: bold 15px monospace; fill: #12385e }</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}" rx="8"/>',
    ]
    for i, row in enumerate(rows):
        width = (WIDTH - 2 * EDGE - GAP * (len(row) - 1)) / len(row)
        for j, name in enumerate(row):
            x, y = EDGE + j * (width + GAP), EDGE + i * (HEIGHT + GAP)
            lines += box(name.strip(), x, y, width)
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    text = picture()
    if "--check" not in sys.argv[1:]:
        PICTURE.write_text(text, encoding="utf-8")
    elif PICTURE.read_text(encoding="utf-8") != text:
        sys.exit("doc/images/layers.svg is out of date: run python doc/draw_layers.py")
