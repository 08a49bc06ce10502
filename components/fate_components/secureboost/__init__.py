"""SecureBoost: gradient boosted trees over vertically split features.

The guest has the label and a Paillier key. It encrypts each row's first and second derivative of the loss, packed into
one plaintext; hosts add them up by node, feature and bin without seeing them; the guest decrypts the sums, finds the
best split over all parties, and asks the party that has the feature which rows go left. After Cheng, Fan, Jin, Liu,
Chen, Papadopoulos, Yang 2021, "SecureBoost: A lossless federated learning framework" (IEEE Intelligent Systems 36),
arXiv:1901.08755; packing, compressed answers, subtraction of siblings and sampling by gradients after Chen, Ma, Fan,
Kang, Xu, Yang 2021, "SecureBoost+: A high performance gradient boosting tree framework for large scale vertical
federated learning", arXiv:2110.10927.

With ``multi_mode`` multi_output a round has one tree for all classes (SecureBoost+, section on SBT-MO): a row's pairs
of derivatives, one for each class, are packed into as few ciphertexts as hold them, the gains of the classes add up,
and a leaf has a weight for each class. ``ModelCheckpoint`` keeps the trees so far, which a training can go on from.

With ``EINI_inference`` a prediction does not tell the guest which way rows go at the hosts, see
:mod:`fate_components.secureboost.hidden_routes`; it takes a ciphertext for each row and leaf.

The guest's tracker has the trees as the metric ``trees``, see :mod:`fate_components.secureboost.drawing`:
``fate job metrics JOB_ID --component sbt_0 --json`` gives, in its ``meta``, ``trees``, of which each has ``nodes`` with
``id``, ``party``, ``feature`` (a host's by its anonymous name), ``threshold``, ``missing``, ``gain``, ``weight``,
``left`` and ``right``; and ``dot``, the text that Graphviz draws of each.

Who learns what:

- A host receives ciphertexts, for each level of a tree which node each row is in, and which of its own candidates were
  best. It sees no derivative, no label, no leaf's weight. That rows are together in a node says that their labels have
  something in common, all the more in the first trees: with ``complete_secure`` those have features of the guest alone
  (Cheng et al., section on the reduced leakage). With ``run_goss`` it is also told, for each tree, which rows were
  kept: those with the largest derivatives, which the trees so far predict worst, and a sample of the others. A row that
  is kept in many trees is probably of the rarer label or an outlier, so that this says more of labels than a tree of
  all rows does.
- The guest receives, for each node, sums of derivatives over one side of each of a host's candidate splits, in an order
  that is drawn anew for every node, and for a chosen split which rows go left and the feature's anonymous name, which
  the importance of features needs. It sees no value, name or threshold of a host. Of sums over few rows it can guess
  which rows they are of, as it knows every row's derivatives; ``min_leaf_node``, which hosts keep to by themselves,
  bounds how few these are.
"""
