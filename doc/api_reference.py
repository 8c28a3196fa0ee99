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
        ],
    },
    {
        "title": "Schedulers",
        "text": "What runs next, and how far: who gets how much of the budget.",
        "names": [
            "sklearn_hpo.schedulers.FullBudget",
            "sklearn_hpo.schedulers.Racing",
            "sklearn_hpo.schedulers.Halving",
            "sklearn_hpo.schedulers.Hyperband",
            "sklearn_hpo.schedulers.ASHA",
            "sklearn_hpo.schedulers.make_scheduler",
        ],
    },
    {
        "title": "Schedulers of your own",
        "text": "What a scheduler is told and what it answers, and a check of whether "
        "it does all that a search relies on.",
        "names": [
            "sklearn_hpo.schedulers.Scheduler",
            "sklearn_hpo.schedulers.Setting",
            "sklearn_hpo.schedulers.Rung",
            "sklearn_hpo.schedulers.New",
            "sklearn_hpo.schedulers.Continue",
            "sklearn_hpo.schedulers.Verdict",
            "sklearn_hpo.testing.check_scheduler",
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
