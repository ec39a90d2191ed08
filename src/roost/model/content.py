"""The content of a version of an application, and the digests that tell one from another. Pure.

Used by the app capability, which makes Releases, and wherever two versions are compared.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic.alias_generators import to_camel

from roost.model.kinds.app import HANDLED, STEERED, AppSpec, Rollout


def content(spec: AppSpec) -> AppSpec:
    """What a version is: the intent without what only says how it is handled at the moment."""
    usual, steered = AppSpec(), Rollout()
    rollout = spec.rollout.model_copy(update={name: getattr(steered, name) for name in STEERED})
    return spec.model_copy(update={"rollout": rollout, **{name: getattr(usual, name) for name in HANDLED}})


def parted(spec: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(content, handling) of an App's spec as it stands on the wire."""
    handling = {to_camel(name) for name in HANDLED}
    kept = {key: value for key, value in spec.items() if key not in handling}
    if "rollout" in kept:
        kept["rollout"] = {key: value for key, value in kept["rollout"].items() if key not in STEERED}
    return (
        kept,
        {key: value for key, value in spec.items() if key in handling},
    )


def digest(data: Any) -> str:
    """SHA-256, 64 hex digits, over the canonical JSON of plain data."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def content_digest(spec: AppSpec) -> str:
    """The digest of a version's content. Where an image came from is told in the Release, but is not what runs."""
    kept = content(spec)
    if kept.artefact is not None:
        kept = kept.model_copy(update={"artefact": kept.artefact.model_copy(update={"commit": "", "run": ""})})
    return digest(kept.essence())


def gate_digest(spec: AppSpec) -> str:
    """The digest of what the release command works on. It does not run again for a change of scale or routes."""
    image = spec.artefact.image if spec.artefact else ""
    variables = [variable.essence() for variable in spec.config]
    return digest([image, list(spec.release_command), variables, spec.secret_version])
