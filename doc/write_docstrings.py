"""Write the docstrings of the searches: `python doc/write_docstrings.py [--check]`.

`parameters.toml` describes each parameter and each attribute once. This puts the texts
into the classes, where `help` and editors look for them, in the order of the signature
and with its defaults. With `--check` nothing is written, and a docstring that is out of
date is an error.
"""

import inspect
import json
import re
import sys
import textwrap
import tomllib
from pathlib import Path

import sklearn_hpo

TEXTS = Path(__file__).with_name("parameters.toml")
CLASSES = [
    sklearn_hpo.SearchCV,
    sklearn_hpo.BayesSearchCV,
    sklearn_hpo.HyperbandSearchCV,
    sklearn_hpo.EvolutionarySearchCV,
]
WIDTH = 88
INDENT = "    "


def parameters(cls, texts):
    """Yield the entry of each parameter of a class, in the order of its signature."""
    own = texts.get(cls.__name__, {})
    for name, parameter in inspect.signature(cls).parameters.items():
        described = texts["parameters"][name] | own.get(name, {})
        kind = described["type"]
        if parameter.default is not parameter.empty:
            is_text = isinstance(parameter.default, str)
            default = json.dumps(parameter.default) if is_text else parameter.default
            kind += f", default={default}"
        yield entry(name, kind, described["text"])


def attributes(cls, texts):
    """Yield the entry of each attribute that a class has, in the order of the file."""
    own = texts.get(cls.__name__, {})
    for name, described in texts["attributes"].items():
        if cls.__name__ in described.get("classes", [cls.__name__]):
            described = described | own.get(name, {})
            yield entry(name, described["type"], described["text"])


def entry(name, kind, text):
    """Return an entry of numpydoc's, indented as it stands in a class."""
    head = textwrap.wrap(
        f"{name} : {kind}",
        WIDTH - 2,
        initial_indent=INDENT,
        subsequent_indent=INDENT * 3,
    )
    lines = [" \\\n".join(head)]
    in_list = True  # nothing stands between the head and the first paragraph
    for paragraph in re.split(r"\n\n+|\n(?=- )", text.strip()):
        is_item = paragraph.startswith("- ")
        lines += [] if in_list and (is_item or len(lines) == 1) else [""]
        lines.append(filled(paragraph, hang="  " if is_item else ""))
        in_list = is_item
    return "\n".join(lines)


def filled(paragraph, hang):
    """Return a paragraph in lines of the right length."""
    return textwrap.fill(
        " ".join(paragraph.split()),
        WIDTH,
        initial_indent=INDENT * 2,
        subsequent_indent=INDENT * 2 + hang,
        break_long_words=False,
        break_on_hyphens=False,
    )


def written(source, cls, section, entries):
    """Return the source of a module with that section of a class's docstring."""
    head = f"{INDENT}{section}\n{INDENT}{'-' * len(section)}\n"
    begin = source.index(head, source.index(f"\nclass {cls.__name__}(")) + len(head)
    next_head = re.compile(rf"\n\n{INDENT}\S.*\n{INDENT}--")
    end = next_head.search(source, begin).start()
    return source[:begin] + "\n".join(entries) + source[end:]


def main(only_check):
    """Write the docstrings, or say which of them are out of date."""
    texts = tomllib.loads(TEXTS.read_text(encoding="utf-8"))
    stale = []
    for cls in CLASSES:
        path = Path(inspect.getsourcefile(cls))
        old = new = path.read_text(encoding="utf-8")
        new = written(new, cls, "Parameters", parameters(cls, texts))
        new = written(new, cls, "Attributes", attributes(cls, texts))
        if new != old:
            stale.append(cls.__name__)
        if not only_check:
            path.write_text(new, encoding="utf-8")
    if only_check and stale:
        sys.exit(
            f"The docstrings of {stale} differ from doc/parameters.toml: change them "
            "there, and run `python doc/write_docstrings.py`."
        )


if __name__ == "__main__":
    main(only_check="--check" in sys.argv[1:])
