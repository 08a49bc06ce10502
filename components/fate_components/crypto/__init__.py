"""Cryptography on whole arrays: the group of private set intersection, Paillier."""
