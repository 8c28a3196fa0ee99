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
            "sklearn_hpo.SearchCV",
            "sklearn_hpo.knee",
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
        "text": "What a scheduler is told and what it answers: :ref:`own_scheduler`.",
        "names": [
            "sklearn_hpo.schedulers.Scheduler",
            "sklearn_hpo.schedulers.Setting",
            "sklearn_hpo.schedulers.Rung",
            "sklearn_hpo.schedulers.New",
            "sklearn_hpo.schedulers.Continue",
            "sklearn_hpo.schedulers.Verdict",
        ],
    },
    {
        "title": "Candidates alone",
        "text": "What proposes the candidates of a search, for any other function: "
        ":ref:`ask_and_tell`.",
        "names": ["sklearn_hpo.AskTell"],
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
    {
        "title": "Optimizers",
        "text": "What proposes the candidates of a search, and the interface for those "
        "of your own: :ref:`own_optimizer`.",
        "names": [
            "sklearn_hpo.optimizers.Portfolio",
            "sklearn_hpo.optimizers.GaussianProcess",
            "sklearn_hpo.optimizers.RBF",
            "sklearn_hpo.optimizers.Forest",
            "sklearn_hpo.optimizers.TPE",
            "sklearn_hpo.optimizers.HypervolumeGP",
            "sklearn_hpo.optimizers.Evolution",
            "sklearn_hpo.optimizers.DifferentialEvolution",
            "sklearn_hpo.optimizers.LSHADE",
            "sklearn_hpo.optimizers.CMAES",
            "sklearn_hpo.optimizers.GeneticAlgorithm",
            "sklearn_hpo.optimizers.NSGA2",
            "sklearn_hpo.optimizers.NSGA3",
            "sklearn_hpo.optimizers.RegularizedEvolution",
            "sklearn_hpo.optimizers.Random",
            "sklearn_hpo.optimizers.Sobol",
            "sklearn_hpo.optimizers.MultiFidelity",
            "sklearn_hpo.optimizers.Optimizer",
            "sklearn_hpo.optimizers.Proposal",
            "sklearn_hpo.optimizers.Told",
        ],
    },
    {
        "title": "Testing",
        "text": "Checks for parts of your own.",
        "names": [
            "sklearn_hpo.testing.check_optimizer",
            "sklearn_hpo.testing.check_scheduler",
        ],
    },
]
