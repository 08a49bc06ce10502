"""Sums over parties of which the arbiter, who adds up, sees nothing but the sum.

Bonawitz et al. 2017, "Practical secure aggregation for privacy-preserving machine learning" (CCS 2017, figure 4), for
a task of many rounds. The n clients (guests and hosts) each have, for each round, a key pair of X25519 and a seed, and
share both secrets among all clients (Shamir 1979, threshold t = ⌊n/2⌋ + 1, at least 2). Keys and shares pass between
the clients at the start, without the arbiter, when all are there; so an arbiter cannot put keys of its own in between.
A round is then:

1. Each client u turns its numbers x_u into integers, adds a mask expanded from its seed, and for each other client v a
   mask expanded from the round's common key of u and v: + if u < v, else -. All is modulo 2^64. It sends the arbiter
   the outcome, which to who knows neither seed nor common keys is uniform and independent of x_u.
2. The arbiter waits until t clients have sent theirs, and for the others two minutes, or five times as long as that
   took; who has not sent by then is left out of this round. It tells all who is not.
3. Each of these opens its shares: of the seed of each who sent, of the secret key of each who did not. Never both.
4. From t answers the arbiter has the seeds and, of who was left out, the keys by which the others masked. It takes all
   masks off the sum.

**What is survived.** A client whose messages do not arrive in time, in any round, before or after step 1, as long as t
clients go on: one of 3 or 4, two of 5. Of two clients neither can be done without, since the sum would be the other's
numbers. A client that was only slow is told the outcome as all are, and is counted again in the next round for which
its numbers arrive in time. This is so within a component. A task that *fails* or is lost ends the attempt at every
party, as with every other component: a party is done without because it is silent, not because it said that it failed.

**What is learnt.** The arbiter: the sum, who was counted, sizes. It learns no more together with fewer than t clients,
except what their own numbers tell of the sum. If it lies about who sent in step 2, to some clients so and to others
otherwise, it still has not t shares of both secrets of a client, unless it has a client with it: 2t > n. The clients:
what the component has the arbiter tell them. They trust one another's keys as far as the gateways' certificates go.
Nothing keeps a client from sending wrong numbers.
"""
