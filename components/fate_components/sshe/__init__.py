"""What HeteroSSHELR and HeteroSSHELinR share: two parties train a linear model without an arbiter.

The protocol is that of Chen, Zhou, Wang, Wu, Fang, Tan, Wang, Ji, Liu, Wang 2021 ("When homomorphic encryption marries
secret sharing", CAESAR, arXiv:2008.08753): what nobody may know is shared by the two, as in :mod:`.ring`, and products
with what one of them knows are made by homomorphic encryption, as in :mod:`.products`. Each has a Paillier key of its
own. Loss and update rule, batches, folds and all that is done around a training are those of
:mod:`fate_components.linear`; the residual d = slope·u - label_slope·y is linear in the scores u = X_g w_g + X_h w_h,
so that shares of u are shares of d.

**reveal_every_iter: false** (:class:`.weights.Shared`). Weights are shared from the first iteration to the last. In
each batch the parties make shares of the scores, of d, of the gradients X_p^T d, of the step, and of the loss
Σ_p w_p·X_p^T d / 2 - label_slope / (2·slope) · y·d, whose products of two shared numbers cost one encryption a number.
What each learns, besides its own model:

* The **guest**: the loss of each iteration and model; with early_stop weight_diff the norms of the whole weight vector
  and of its change; how many features the host has, and how many bits their numbers have if these are above 2**9.
* The **host**: when the training ends, and the loss of each iteration; which rows form a batch (with batch_strategy
  random, a larger set of rows that has them in it); how many features the guest has, and the bits of their numbers and
  of its labels if these are above 2**9.

With ModelCheckpoint each party learns its own weights as they are at every checkpoint, and from two in a row something
of its gradients in between.

All else that a party receives is ciphertexts under the other's key, and padded plaintexts and shares that are uniform,
or within 2**-48 of what they would be for other numbers.

**reveal_every_iter: true** (:class:`.weights.Revealed`). In each batch each party's gradient X_p^T d is opened to it,
and it makes its own step, with any optimizer and penalty. Besides the above:

* The **guest** learns its own features' gradients, Σ y·d, and with these the host's Σ d·u_h.
* The **host** learns its own features' gradients. With as many features as rows in a batch it could solve for d, and so
  learn labels: the guest warns of such a batch. Validation while training shows the guest the host's part of all rows'
  scores each time.

**Afterwards.** With reveal_strategy respectively each party knows its own weights, and a host sends the guest its part
of the scores of rows that are predicted, as in HeteroLR; a host with a single feature, which that would show, refuses.
With encrypted_reveal_in_host nobody knows the host's weights: the host keeps them encrypted under the guest's key, and
the guest keeps the key in its model, which is therefore as secret as the key (:mod:`.concealed`). The guest decrypts
the host's part of the scores, of as many rows as the host has features enough to describe them as well as weights do.

Both parties are trusted to follow the protocol, and to have made their keys as said. Rows are matched by their order,
which is that of the Intersection before.

What differs from FATE: shares are of integers modulo 2**152 and not modulo n, so that several lie in a ciphertext;
columns are encrypted once, not residuals in each batch; use_mix_rand changes nothing, since all randomness is fresh.
The logistic function is replaced by its linear approximation, as in FATE, which is that of HeteroLR. One host, as in
FATE; no stepwise choice of features.
"""
