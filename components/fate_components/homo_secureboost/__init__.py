"""HomoSecureBoost: gradient boosted trees over horizontally split rows.

All data parties have the same columns. They agree on the borders of bins (:mod:`fate_components.homo.quantiles`). Then,
level by level, each sums its rows' derivatives in each node and bin, the arbiter adds these histograms up securely
(:mod:`fate_components.secure_aggregation`), splits the nodes, and tells all parties the splits. The trees are those of
one machine with all rows and the same bins (Chen, Guestrin 2016, "XGBoost", with histograms as in its section 3.3).

What each role learns, if all follow the protocol:

- The **arbiter**: sums over all parties' rows: how many lie in which interval of a column's values, as far as borders
  are searched for; histograms of derivatives in each node; losses; the trees. No sum of one party.
- **Guest and hosts**: borders, trees with their gains and leaves, losses, all classes, the guest's column names. No
  histogram, not even of all.

A border is known to 20 bits behind its leading one, hence is no row's value, but with few rows it is near one. A leaf
that few rows reach tells of these.

What differs from FATE: borders are exact to that, ``binning_error`` has no effect; ``backend`` has none either. Early
stopping goes by the guest's validation data; every party logs the metrics of its own. A host that falls silent is left
out of the sums of that time; the guest, which says how the training stands, cannot be done without.
"""
