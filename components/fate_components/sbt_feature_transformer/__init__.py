"""SBTFeatureTransformer: the leaves of boosted trees as features.

A row ends in one leaf of each tree of a HeteroSecureBoost model. The guest's features become a column for each leaf,
``sbt_tree_<tree>_leaf_<node>``, 1 for the rows that end there and 0 for the others. After He, Pan, Jin, Xu, Liu, Xu,
Shi, Atallah, Herbrich, Bowers, Quiñonero Candela 2014, "Practical lessons from predicting clicks on ads at Facebook",
section 3.1. Who learns what is as in a prediction, see :mod:`fate_components.secureboost`: hosts answer which way each
row goes at their nodes, and receive nothing of the rows.
"""
