"""Every public name is documented, and the API reference lists exactly those."""

import importlib
import inspect
import runpy
import tomllib
from pathlib import Path

import pytest
from numpydoc.validate import ERROR_MSGS, validate

import sklearn_hpo

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LINT = SETTINGS["tool"]["numpydoc_validation"]
REFERENCE = runpy.run_path(str(ROOT / "doc" / "api_reference.py"))["API_REFERENCE"]
PUBLIC = [name for section in REFERENCE for name in section["names"]]
MODULES = {"sklearn_hpo", *(name.rpartition(".")[0] for name in PUBLIC)}


def resolve(name):
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def public_methods(cls):
    """Public methods and properties that the package itself wrote and described."""
    for name in dir(cls):
        member = inspect.getattr_static(cls, name)
        function = getattr(member, "fget", getattr(member, "__func__", member))
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        inherits = function.__doc__ is None and inspect.getdoc(getattr(cls, name))
        if function.__module__.startswith("sklearn_hpo.") and not inherits:
            yield name


def documented():
    """Dotted names of all public classes, functions and methods."""
    for name in PUBLIC:
        yield name
        obj = resolve(name)
        if inspect.isclass(obj):
            yield from (f"{name}.{method}" for method in public_methods(obj))


def test_no_public_name_is_excluded_from_the_checks():
    assert LINT["exclude"] == []
    assert LINT["checks"][0] == "all"
    assert set(LINT["checks"][1:]) < set(ERROR_MSGS)


@pytest.mark.parametrize("name", list(documented()))
def test_docstring_follows_numpydoc(name):
    errors = dict(validate(name)["errors"])
    assert {k: v for k, v in errors.items() if k not in LINT["checks"]} == {}


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_says_since_when_and_shows_an_example(name):
    doc = inspect.getdoc(resolve(name))
    assert ".. versionadded:: " in doc
    assert ">>> " in doc


@pytest.mark.parametrize("name", [n for n in PUBLIC if inspect.isclass(resolve(n))])
def test_default_in_docstring_is_the_default(name):
    doc = inspect.getdoc(resolve(name))
    for parameter in inspect.signature(resolve(name)).parameters.values():
        if parameter.default is not inspect.Parameter.empty:
            default = str(parameter.default)
            if isinstance(parameter.default, str):
                default = f'"{default}"'
            line = next(x for x in doc.splitlines() if x.startswith(parameter.name))
            assert line.endswith(f"default={default}"), line


@pytest.mark.parametrize("module", sorted(MODULES))
def test_reference_lists_every_public_name_once(module):
    listed = sorted(name for name in PUBLIC if name.rpartition(".")[0] == module)
    names = importlib.import_module(module).__all__
    assert listed == sorted(f"{module}.{name}" for name in names)


def test_version_has_a_changelog_entry():
    text = (ROOT / "doc" / "whats_new.rst").read_text(encoding="utf-8")
    assert f"\nVersion {sklearn_hpo.__version__}\n---" in text
