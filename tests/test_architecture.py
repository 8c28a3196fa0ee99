"""The rules of the layers, held by tests: who may import what."""

import ast
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_hpo

PACKAGE = Path(sklearn_hpo.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))


def module_id(path):
    return str(path.relative_to(PACKAGE))


def imported_names(tree):
    """Dotted name of everything a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def private_sklearn_imports(tree):
    """Imports from scikit-learn with a part that starts with an underscore."""
    dotted = (name.split(".") for name in imported_names(tree))
    return [
        ".".join(parts)
        for parts in dotted
        if parts[0] == "sklearn"
        and any(p.startswith("_") and not p.endswith("__") for p in parts)
    ]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from sklearn.model_selection._search import BaseSearchCV", 1),
        ("from sklearn.utils import _safe_indexing, shuffle", 1),
        ("def f():\n    import sklearn.utils._param_validation as p", 1),
        ("from sklearn.model_selection import BaseCrossValidator", 0),
        ("from sklearn import __version__", 0),
    ],
)
def test_private_import_rule_sees_what_it_should(source, found):
    assert len(private_sklearn_imports(ast.parse(source))) == found


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.name != "_sklearn_compat.py"], ids=module_id
)
def test_private_sklearn_names_enter_through_one_module(path):
    found = private_sklearn_imports(ast.parse(path.read_text(encoding="utf-8")))
    assert not found, f"import these through sklearn_hpo._sklearn_compat: {found}"


# Modules of joblib that it does not document.
UNDOCUMENTED = ("joblib.executor", "joblib.externals", "joblib.parallel", "loky")


def undocumented_joblib_imports(tree):
    """Imports of what joblib and multiprocessing keep to themselves."""
    return [
        name
        for name in imported_names(tree)
        if f"{name}.".startswith(tuple(f"{module}." for module in UNDOCUMENTED))
        or (name.startswith(("joblib.", "multiprocessing.")) and "._" in name)
    ]


def private_attributes_of_others(tree):
    """Private attributes of anything but ``self``, ``cls`` and modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            owner = ast.unparse(node.value)
            if owner not in ("self", "cls", "os") and not node.attr.endswith("__"):
                yield f"{owner}.{node.attr}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from joblib.parallel import BatchedCalls", 1),
        ("import joblib.externals.loky", 1),
        ("from joblib._store_backends import StoreBackendBase", 1),
        ("from multiprocessing.pool import _helper_reraises_exception", 1),
        ("backend._get_pool()", 1),
        ("self._backend._pool", 1),
        ("from joblib import Parallel, parallel_config", 0),
        ("from multiprocessing.process import BaseProcess", 0),
        ("self._pool.submit(call)", 0),
    ],
)
def test_joblib_rule_sees_what_it_should(source, found):
    tree = ast.parse(source)
    names = [*undocumented_joblib_imports(tree), *private_attributes_of_others(tree)]
    assert len(names) == found


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.name != "_joblib_compat.py"], ids=module_id
)
def test_undocumented_joblib_names_enter_through_one_module(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = undocumented_joblib_imports(tree)
    if path.parent.name == "_execution":
        found += private_attributes_of_others(tree)
    assert not found, f"reach these through sklearn_hpo._joblib_compat: {found}"


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_module_starts_with_its_docstring(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_module_neither_prints_nor_asks(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert calls.isdisjoint({"print", "input", "breakpoint"})


def test_import_contracts_hold():
    lint = "from importlinter.cli import lint_imports_command as main; main()"
    result = subprocess.run(
        [sys.executable, "-c", lint, "--no-cache"],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_picture_of_the_layers_is_that_of_the_contract():
    script = runpy.run_path(str(PACKAGE.parent / "doc" / "draw_layers.py"))
    assert script["PICTURE"].read_text(encoding="utf-8") == script["picture"]()


@pytest.mark.parametrize("page", ["doc/architecture.rst", "CONTRIBUTING.md"])
def test_files_that_a_page_names_exist(page):
    text = (PACKAGE.parent / page).read_text(encoding="utf-8")
    names = re.findall(r"`([\w/]+(?:\.(?:py|cfg|toml|rst|md)|/))`", text)
    assert len(names) > 10
    missing = [
        name
        for name in names
        if not (PACKAGE.parent / name).exists() and not any(PACKAGE.rglob(name))
    ]
    assert missing == []


def test_package_imports_with_the_hard_dependencies_only():
    code = (
        "import sys;"
        "soft = ['matplotlib', 'pandas', 'polars', 'distributed', 'ray'];"
        "sys.modules.update(dict.fromkeys(soft));"
        "import sklearn_hpo"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
