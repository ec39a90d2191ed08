"""What the gateways counted of an application's requests, as roost-drain hands it on (engine/drain, `/traffic`).

    {"<gateway>": "<lines in Prometheus' text format>" | null}

Used by the app capability, between the steps of a roll-out and for error budgets. Whatever goes wrong is "not known":
no roll-out goes on by it, and none is taken back.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import httpx2
from prometheus_client.parser import text_string_to_metric_families

TIMEOUT_S: Final = 3.0
MOST: Final = 200  # Addresses in one question; a process has no more instances.
REQUESTS: Final = "traefik_service_requests_total"
BUCKET: Final = "traefik_service_request_duration_seconds_bucket"


@dataclass(frozen=True)
class Counted:
    """Requests since the gateways began to count; `errors` of them failed, `slow` of them took too long."""

    requests: int
    errors: int
    slow: int


def failed(code: str) -> bool:
    """Whether an answer of this code breaks a promise. 499 is a client that went away; 0 is no answer at all."""
    return code.startswith("5") or code == "0"


def read(lines: str, slow_s: float) -> Counted:
    """Sums over services, methods and codes. `slow_s`: 0, or seconds; the next bucket's bound counts."""
    requests = errors = slow = 0.0
    buckets: dict[tuple[tuple[str, str], ...], dict[float, float]] = {}
    for family in text_string_to_metric_families(lines):
        for sample in family.samples:
            if sample.name == REQUESTS:
                requests += sample.value
                errors += sample.value if failed(sample.labels.get("code", "")) else 0
            elif sample.name == BUCKET and slow_s:
                rest = tuple(sorted(item for item in sample.labels.items() if item[0] != "le"))
                buckets.setdefault(rest, {})[float(sample.labels["le"])] = sample.value
    for bounds in buckets.values():
        every = max(bounds.values())
        slow += every - bounds[min(bound for bound in bounds if bound >= slow_s)]
    return Counted(int(requests), int(errors), int(slow))


def together(answer: Any, slow_s: float) -> Counted | None:
    """The sum over gateways; None where there is none, or one did not tell."""
    if not isinstance(answer, dict) or not answer or not all(isinstance(lines, str) for lines in answer.values()):
        return None
    found = [read(lines, slow_s) for lines in answer.values()]
    return Counted(
        sum(item.requests for item in found), sum(item.errors for item in found), sum(item.slow for item in found)
    )


async def counted(url: str, addresses: Sequence[str], slow_s: float = 0) -> Counted | None:
    """What was counted of the services that these instances are of; None where that is not known."""
    query = urlencode([("address", address) for address in addresses[:MOST]])
    try:
        async with httpx2.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
            answer = await client.get(f"{url}/traffic?{query}")
        if answer.status_code != 200:
            return None
        return together(json.loads(answer.content), slow_s)
    except (httpx2.HTTPError, ValueError):
        return None
