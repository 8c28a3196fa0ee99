"""Fitted transformers of pipelines, shared by the candidates that agree on them.

A transformer's key is the rows of the fold and the parameters of all transformers up
to it: these determine what it is fitted on, so that no data are hashed. What is kept is
a pickle of the transformer and its output as they were right after the fit; each
candidate gets objects of its own from it, which later steps may write into.
"""

from sklearn_hpo._evaluation.transformer_cache._fits import (
    PipelineMemory,
    cached_transformers,
)
from sklearn_hpo._evaluation.transformer_cache._store import TransformerCache

__all__ = ["PipelineMemory", "TransformerCache", "cached_transformers"]
