"""FATE's dsl and conf, in either dialect, as one canonical Pipeline."""
