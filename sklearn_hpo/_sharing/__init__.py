"""Fitted transformers of pipelines, shared by the candidates that agree on them.

A transformer's key is the rows of the fold and the parameters of all transformers up
to it: these determine what it is fitted on, so that no data are hashed. What is kept is
a pickle of the transformer and its output as they were right after the fit; each
candidate gets objects of its own from it, which later steps may write into.
"""

from sklearn_hpo._sharing._fits import Loan, lent
from sklearn_hpo._sharing._store import Sharing

__all__ = ["Loan", "Sharing", "lent"]
