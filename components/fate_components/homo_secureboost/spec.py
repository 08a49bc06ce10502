"""HomoSecureBoost as a dsl sees it."""

from __future__ import annotations

from typing import Annotated, Literal

from fate_components.secureboost.spec import TreeTrainingParams
from fate_federated.catalog.modules.roles import GUEST_ARBITER, GUEST_HOST_ARBITER
from fate_federated.catalog.shared_params import AnyCase
from fate_federated.catalog.spec import ComponentSpec

ALIKE = (
    "task_type", "objective_param", "learning_rate", "num_trees", "subsample_feature_rate", "bin_num", "multi_mode",
    "random_seed", "n_iter_no_change", "tol", "cv_param.need_cv", "cv_param.n_splits", "tree_param.max_depth",
    "tree_param.criterion_params", "tree_param.min_sample_split", "tree_param.min_impurity_split",
    "tree_param.min_leaf_node", "tree_param.min_child_weight", "use_missing",
    "zero_as_missing", "tree_param.use_missing", "tree_param.zero_as_missing",
)  # fmt: skip
"""Parameters that have to be the same at all parties."""


class HomoSecureBoostParams(TreeTrainingParams):
    """Boosted trees over rows of several parties."""

    backend: Annotated[Literal["distributed", "memory"], AnyCase()] = "distributed"
    """Where FATE keeps histograms; here they are arrays."""

    @property
    def starts_at_median(self) -> bool:
        """Whether the score before any tree is the labels' median."""
        return self.objective_param.objective in ("lae", "huber", "fair")


HOMO_SECURE_BOOST = ComponentSpec(
    module="HomoSecureBoost",
    roles=GUEST_HOST_ARBITER,
    needs=GUEST_ARBITER,
    params=HomoSecureBoostParams,
    implementation="fate_components.homo_secureboost.component:HomoSecureBoost",
    model_outputs=1,
)
HOMO_SECUREBOOST = ComponentSpec(
    module="HomoSecureboost",
    roles=GUEST_HOST_ARBITER,
    needs=GUEST_ARBITER,
    params=HomoSecureBoostParams,
    implementation="fate_components.homo_secureboost.component:HomoSecureboost",
    model_outputs=1,
)
"""Its name up to 1.6, still taken in 1.11."""
