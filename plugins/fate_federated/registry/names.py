"""What branches, tags and models may be called: names that are also fit for git and for a shell."""

from __future__ import annotations

import hashlib
import re

from fate_federated.errors import RegistryError

REF_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
DEFAULT_BRANCH = "experiment"
"""Where a training's versions go that names no branch."""
DEPLOY_BRANCH = "product"
"""Where deployed versions go unless somebody says otherwise."""


def check_ref_name(name: str) -> str:
    """A name for a branch or a tag.

    Raises:
        RegistryError: it cannot be one.
    """
    if not REF_NAME.fullmatch(name) or not _is_fit_for_git(name) or name.isdecimal():
        raise RegistryError(
            f"{name[:80]!r} cannot name a branch or a tag. Use up to 64 letters, digits, _, - and dots: no slash, no "
            "two dots in a row, no dot at the end, and not digits alone, which name a version."
        )
    return name


def git_name(name: str, model_id: str, *, taken: bool = False) -> str:
    """A model's short name at a site: the name it has at its initiator, changed where git or another model objects.

    Args:
        taken: another model has this name here.
    """
    if not taken and _PLAIN.fullmatch(name) and _is_fit_for_git(name):
        return name
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("-_")[:100]
    return f"{readable or 'model'}-{hashlib.sha256(model_id.encode()).hexdigest()[:8]}"


def model_key(model_id: str) -> str:
    """The last part of a model_id: what it is called beside whose it is."""
    return model_id.rpartition("#")[2]


def branch_uri(model: str, branch: str) -> str:
    """URI of the Airflow asset that a branch of a model is."""
    return f"fate://models/{model}/branches/{branch}"


def split_ref(text: str) -> tuple[str, str]:
    """``<model>@<ref>`` as its two halves; without an @ the model is empty."""
    model, at, ref = text.rpartition("@")
    return (model, ref) if at else ("", text)


def _is_fit_for_git(name: str) -> bool:
    # git-check-ref-format(1), of what is left to letters, digits, _, - and dots
    return ".." not in name and not name.startswith(".") and not name.endswith((".", ".lock"))
