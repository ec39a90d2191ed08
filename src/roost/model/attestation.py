"""What Roost attests of an image when it signs it: the claims beside repository and digest. Pure.

Made by the capability `run`; read back from the signature by the capability `image`.
"""

from collections.abc import Mapping
from typing import Final

from roost.model.kinds.delivery import Run

RIGHTS: Final = "rights"
REDUCED: Final = "reduced"


def claims(run: Run, tenant: str, findings: int | None) -> dict[str, str]:
    """Texts by name: where the image comes from, and how its gates stood when they let it pass."""
    scan = run.spec.scan
    gates = ", ".join(f"{name}={_text(value)}" for name, value in sorted(scan.wire().items()))
    return {
        "tenant": tenant,
        "project": run.spec.project,
        "run": run.metadata.name,
        "ref": run.spec.ref,
        "commit": run.spec.commit,
        "gates": gates[:1000],
        "findings": "none looked for" if findings is None else str(findings),
        RIGHTS: run.spec.rights,
    }


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def reduced(found: Mapping[str, str]) -> bool:
    """Whether this signature is of a run that was not of its project's own branch."""
    return found.get(RIGHTS) == REDUCED
