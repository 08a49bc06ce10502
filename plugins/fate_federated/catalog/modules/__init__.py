"""FATE's modules, of its releases 1.0 to 1.11: what a dsl may name, with the parameters that FATE gives each.

A module for which a component is installed is described by the component.
"""

from __future__ import annotations

_FAMILIES = {
    "data": {
        "PositiveUnlabeled": "POSITIVE_UNLABELED",
    },
    "statistics": {
        "HeteroKmeans": "HETERO_KMEANS",
        "FeldmanVerifiableSum": "FELDMAN_VERIFIABLE_SUM",
        "SecureInformationRetrieval": "SECURE_INFORMATION_RETRIEVAL",
        "SecureAddExample": "SECURE_ADD_EXAMPLE",
        "Rsa": "RSA",
        "SPDZTest": "SPDZ_TEST",
    },
    "neural": {
        "HomoNN": "HOMO_NN",
        "HeteroNN": "HETERO_NN",
        "FTL": "FTL",
        "HeteroFTL": "HETERO_FTL",
        "CustNN": "CUST_NN",
        "HomoNNExperiment": "HOMO_NN_EXPERIMENT",
        "HeteroFM": "HETERO_FM",
        "HomoFM": "HOMO_FM",
        "HeteroMF": "HETERO_MF",
        "HeteroGMF": "HETERO_GMF",
        "HeteroSVD": "HETERO_SVD",
        "HeteroSVDpp": "HETERO_SVD_PP",
    },
    "system": {
        "ApiReader": "API_READER",
        "Upload": "UPLOAD",
        "CacheLoader": "CACHE_LOADER",
        "Pipeline": "PIPELINE",
    },
}

MODULES: dict[str, str] = {
    module: f"{__name__}.{family}:{name}" for family, names in _FAMILIES.items() for module, name in names.items()
}
"""By module, ``python.module:NAME`` of its :class:`~fate_federated.catalog.spec.ModuleSpec`, imported when it is asked
for."""
