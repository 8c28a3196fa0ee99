"""scikit-learn's own checks for estimators."""

import pytest
from scipy.stats import loguniform
from sklearn.base import is_regressor
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from sklearn_hpo import BayesSearchCV, EvolutionarySearchCV, HyperbandSearchCV

SETTINGS = {"cv": 2, "random_state": 0, "error_score": "raise"}
RIDGE = (Ridge(), {"alpha": loguniform(1e-2, 1e2)})
LOGISTIC = (LogisticRegression(), {"C": loguniform(1e-2, 1e2)})
PIPELINE = (
    make_pipeline(StandardScaler(), Ridge()),
    {"standardscaler__with_std": [True, False], "ridge__alpha": [0.1, 1.0, 10.0]},
)
SGD = (
    SGDClassifier(max_iter=9, tol=None, random_state=0),
    {"alpha": loguniform(1e-6, 1e-1)},
)
SEARCHES = {
    "bayes-regressor": BayesSearchCV(*RIDGE, n_iter=3, **SETTINGS),
    "bayes-classifier": BayesSearchCV(*LOGISTIC, n_iter=3, **SETTINGS),
    "bayes-pipeline": BayesSearchCV(*PIPELINE, n_iter=3, **SETTINGS),
    "evolution-regressor": EvolutionarySearchCV(*RIDGE, n_iter=3, **SETTINGS),
    "evolution-classifier": EvolutionarySearchCV(*LOGISTIC, n_iter=3, **SETTINGS),
    "hyperband-rows": HyperbandSearchCV(
        *RIDGE, resource="n_samples", min_resources=4, n_candidates=4, **SETTINGS
    ),
    "hyperband-folds": HyperbandSearchCV(
        *LOGISTIC, resource="folds", n_candidates=4, **SETTINGS
    ),
    "hyperband-iterations": HyperbandSearchCV(*SGD, n_candidates=4, **SETTINGS),
}
# check: (whose, why), of which scikit-learn's own searches are excused as well
EXPECTED_FAILURES = {
    "check_supervised_y_2d": (
        is_regressor,
        "Ridge takes a y of two dimensions for several outputs, and does not warn",
    )
}


def all_checks():
    """Yield each search with each of its checks."""
    # no `parametrize_with_checks`: its ids hold the addresses of distributions, but
    # processes that share the tests out must find the same ones
    for name, search in SEARCHES.items():
        for i, (estimator, check) in enumerate(estimator_checks_generator(search)):
            check_name = getattr(check, "func", check).__name__
            marks = [
                pytest.mark.xfail(reason=why, strict=True)
                for failing, (of, why) in EXPECTED_FAILURES.items()
                if failing == check_name and of(search)
            ]
            label = f"{name}-{check_name}-{i}"
            yield pytest.param(estimator, check, id=label, marks=marks)


# Some checks give infinite targets, which scikit-learn casts to see their type.
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:.*`disp` and `iprint`:DeprecationWarning")
@pytest.mark.parametrize(("estimator", "check"), list(all_checks()))
def test_estimator_checks(estimator, check):
    check(estimator)
