"""ActionContext: what an action or a finalize function of a capability may use."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from roost.kube.client import Client
from roost.kube.reader import Reader
from roost.settings import Settings


@dataclass(frozen=True)
class ActionContext:
    """One reconciliation's means.

    object: the reconciled object as a dict. client: the platform's own identity (`act_as` leads to others).
    reader: cached reads. request_id: of the API call that led here, or "". note: give it what the server answered to
    a write of yours, so that the next look sees it before the watch tells.
    """

    object: dict[str, Any]
    client: Client
    reader: Reader
    settings: Settings
    request_id: str = ""
    note: Callable[[dict[str, Any]], None] = lambda item: None
