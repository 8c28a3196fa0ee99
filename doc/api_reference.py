"""The public names, section by section: the source of the API reference.

A test keeps this list and the package's ``__all__`` the same.
"""

API_REFERENCE = [
    {
        "title": "Searches",
        "text": "Drop-in replacements for scikit-learn's own searches. ``predict``, "
        "``score`` and all other methods of those are inherited and not listed here.",
        "names": [
            "sklearn_hpo.BayesSearchCV",
            "sklearn_hpo.HyperbandSearchCV",
            "sklearn_hpo.EvolutionarySearchCV",
            "sklearn_hpo.knee",
        ],
    },
    {
        "title": "Checkpoints",
        "text": "What a search has written down, read without running it.",
        "names": ["sklearn_hpo.read_checkpoint"],
    },
    {
        "title": "Search spaces",
        "text": "What a search understands by its ``param_distributions``, and the "
        "distributions that SciPy does not have.",
        "names": [
            "sklearn_hpo.space.SearchSpace",
            "sklearn_hpo.space.Column",
            "sklearn_hpo.space.Group",
            "sklearn_hpo.space.lograndint",
            "sklearn_hpo.space.sequence",
            "sklearn_hpo.space.subset",
            "sklearn_hpo.space.permutation",
        ],
    },
]
