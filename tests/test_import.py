"""An import changes nothing but the modules that are there."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

SCRIPT = """
    import atexit, builtins, contextlib, importlib, locale, logging, os, random
    import signal, sys, threading, warnings

    hooks = []
    if hasattr(os, "register_at_fork"):
        os.register_at_fork = lambda **how: hooks.append(how)

    def is_ours(name):
        return name.split(".")[0] == "sklearn_hpo"

    # those that others change are theirs
    for name in sys.argv[1:]:
        with contextlib.suppress(ImportError):  # Cython puts some there by itself
            importlib.import_module(name)

    import joblib.parallel
    import multiprocessing
    import numpy as np
    import sklearn
    from threadpoolctl import threadpool_info

    def state():
        names = ("excepthook", "unraisablehook", "displayhook", "path", "meta_path")
        names += ("path_hooks", "stdout", "stderr")
        return {
            "signals": [signal.getsignal(s) for s in signal.valid_signals()],
            "masks": getattr(signal, "pthread_sigmask", lambda *_: 0)(0, ()),
            "forks": len(hooks),
            "exits": atexit._ncallbacks(),
            "threads": threading.enumerate(),
            "excepthook": threading.excepthook,
            "environment": dict(os.environ),
            "filters": list(warnings.filters),
            "showwarning": warnings.showwarning,
            "pools": [(p["filepath"], p["num_threads"]) for p in threadpool_info()],
            "numpy": [str(part) for part in np.random.get_state()],
            "random": random.getstate(),
            "errors": np.geterr(),
            "print": np.get_printoptions(),
            "sklearn": sklearn.get_config(),
            "start": multiprocessing.get_start_method(allow_none=True),
            "joblib": sorted(joblib.parallel.BACKENDS),
            "loggers": (logging.root.handlers[:], logging.root.level),
            "locale": locale.setlocale(locale.LC_ALL),
            "recursion": sys.getrecursionlimit(),
            "builtins": sorted(vars(builtins)),
            "sys": [str(getattr(sys, name)) for name in names],
        }

    before = state()
    assert not any(map(is_ours, sys.modules))
    import sklearn_hpo
    after = state()
    changed = [name for name in before if str(before[name]) != str(after[name])]
    assert not changed, {name: (before[name], after[name]) for name in changed}
"""


def run(script, *arguments):
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_an_import_changes_no_state_of_the_process():
    needed = run(
        """
        import sys
        import sklearn_hpo
        for name in sys.modules:
            if "." not in name or name.split(".")[0] in ("joblib", "sklearn", "scipy"):
                if name.split(".")[0] not in ("sklearn_hpo", "__main__"):
                    print(name)
        """
    )
    run(SCRIPT, *needed.split())
