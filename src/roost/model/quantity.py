"""Kubernetes quantities as numbers: `500m`, `1.5`, `256Mi`. Pure."""

import re
from decimal import Decimal
from typing import Any

_QUANTITY = re.compile(r"^([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$")
_FACTORS: dict[str | None, Decimal] = {None: Decimal(1), "m": Decimal("0.001")}
_FACTORS |= {letter: Decimal(1000) ** (index + 1) for index, letter in enumerate("kMGTP")}
_FACTORS |= {letter + "i": Decimal(1024) ** (index + 1) for index, letter in enumerate("KMGTP")}


def amount(value: Any) -> Decimal | None:
    """The number of a quantity (text or whole number); None for anything else."""
    found = _QUANTITY.match(str(value)) if isinstance(value, (str, int)) and not isinstance(value, bool) else None
    return Decimal(found[1]) * _FACTORS[found[2]] if found else None
