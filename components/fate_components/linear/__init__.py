"""What HeteroLR, HeteroLinR and HeteroPoisson share: their protocol, and what is done around a training.

The protocol starts from that of Hardy et al. 2017 (arXiv:1711.10677, section 3): an arbiter holds a Paillier key, and
gradients X^T d are computed on ciphertexts, [.] below. Here there may be several hosts, and the arbiter sees no
gradient.
With u = Σ X_p w_p over the parties p, and the residual d of :mod:`.family`, each batch is one of two exchanges:

* Where d is a sum of terms that each party knows of its own (logistic and linear regression), parties have sent one
  another [X_p], once; each q returns [X_p^T t_q] of its terms t_q (:mod:`.crossing`).
* Where it is not (Poisson regression; rows with weights, or that hide others, which only the guest knows), each host
  sends its part of [d], for a log-linear model hosts hand [e^u] on from one to the next; the guest completes [d] and
  sends it to the hosts; each party computes [X_p^T d] by multi-exponentiation.

Either way a party adds a pad that is uniform modulo n, the arbiter decrypts, and what is left without the pad is the
party's gradient; each makes its own step.

After all batches each party's part of the loss is summed encrypted by the guest. A party knows its part: Σ d·u_p is
w_p·X_p^T d. The arbiter decrypts the sum and says whether to go on.

Models that are trained on the same rows (a class against the rest, a fold, a choice of features) are trained side by
side, their numbers in the same ciphertexts.

What each role learns, besides the model that is its own, if all follow the protocol and the arbiter does not collude:

* The **arbiter**: the loss of each iteration and model; how many rows, batches and models there are, and roughly how
  many features; with early_stop weight_diff the norms of the whole weight vector and of its change; with the optimizer
  sqn the inner products of the whole gradient and of changes of weights and gradients. No score, gradient, weight or
  label.
* The **guest**: the loss of each iteration, its own features' gradients, Σ y·d, with these and a single host that
  host's Σ d·u_h, and how many features each host has. When rows are predicted, each host's part of their scores, as in
  FATE; the rows that it was trained on are predicted after the training. A host with a single feature that moves its
  scores (:mod:`.disclosure`) would show it by that, up to a factor, and therefore refuses. **Validation while
  training** (validation_freqs, EarlyStopping) shows the guest these parts for the training and validation rows each
  time, and **cross validation** once for each fold: of as many weight vectors as a host has features, the guest could
  learn the space that the host's columns span.
* A **host**: which rows form a batch (with batch_strategy random, a larger set of rows that has them in it), the loss
  of each iteration, its own features' gradients X_h^T d, and which features a stepwise choice kept. Gradients tell
  something of d, and so of the labels: with as many features as rows in a batch a host could solve for d. The guest
  warns of such a batch. A HeteroPoisson host has the labels encrypted.

An arbiter that colludes with a party can decrypt whatever that party receives: of the guest its columns and labels,
turned by a secret matrix, or residuals, and so labels; of hosts their turned columns or their scores. All parties are
trusted to follow the protocol. Rows are matched by their order, which is that of the Intersection before.

What differs from FATE: each party runs the optimizer on its own weights, since the arbiter sees no gradient. A batch is
the same rows for all folds, of which each leaves out its own. batch_strategy random has one batch in an iteration,
hidden among masked_rate times as many rows; masked_rate has no effect on full batches. Validation needs validation
data. Without use_first_metric_only any metric that stops improving ends the training; the first chooses the best
iteration, whose weights early stopping keeps. Checkpoints are part of the model; those of a training that fails stay
where the task's log says, and can be gone on from. The history of folds has the columns of a prediction, and fold.
Losses and gradients of weighted rows are means over rows, not over weights.
"""
