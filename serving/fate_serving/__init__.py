"""Scores on demand: one serving process per site, which FATE-Serving's clients and peers can call.

A guest's application asks for one score or for many; each host's features stay with the host. The parts, from the
inside out:

- :mod:`parts` reads a party's part of a model version, :mod:`compiling` turns it into the arithmetic that scores rows
  with it (:mod:`intake`, :mod:`steps`, :mod:`forest`, :mod:`scoring`), which is that of the components' ``model.py``.
- :mod:`shelf` keeps the loaded models and what is bound to them, on disk and in memory.
- :mod:`hosting` answers a guest: features from an adapter, then this party's part of the answer.
- :mod:`inference` answers an application: merges requests, asks the hosts by :mod:`links`, and caches what they say.
- :mod:`switching` moves a service to another version when all parties have it, or not at all.
- :mod:`faces` and :mod:`http_front` are FATE-Serving's interfaces, :mod:`server` puts all together.

Which role a process has follows from the models that it has loaded.
"""
