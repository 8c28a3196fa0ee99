"""Each scheduler fulfils the contract."""

import pytest
from contracts import SchedulerContract

from sklearn_hpo.schedulers import FullBudget


class TestFullBudget(SchedulerContract):
    @pytest.fixture(params=[1, 7])
    def make(self, request):
        return lambda: FullBudget(request.param)
