"""Who wrote which commits, asked of the hosted git server.

    HistoryUnknown    it cannot say; `lasting`: asking again does not help

Used by the promotion capability, for environments that want four eyes.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

import httpx2
from pydantic import ValidationError

from roost.model.contributors import Contributors

TIMEOUT_S: Final = 25.0
MAX_ANSWER: Final = 4 << 20  # Bytes.


class HistoryUnknown(Exception):
    """Who wrote it is not known; the text says why."""

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


async def contributors(
    url: str, token: str, where: tuple[str, str], ends: Sequence[str], bases: Sequence[str]
) -> Contributors:
    """Who wrote what leads to `ends` and not to `bases`. where: tenant, project. HistoryUnknown."""
    query = urlencode([*(("to", item) for item in ends), *(("from", item) for item in bases)])
    target = f"{url}/contributors/{where[0]}/{where[1]}?{query}"
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with (
            httpx2.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client,
            client.stream("GET", target, headers=headers) as answer,
        ):
            body = b""
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise HistoryUnknown("the git server said more than can be")
        if answer.status_code == 404:
            raise HistoryUnknown(body.decode(errors="replace").strip().rstrip(".")[:300], lasting=True)
        if answer.status_code != 200:
            raise HistoryUnknown(f"the git server answered {answer.status_code}")
        return Contributors.model_validate_json(body)
    except httpx2.HTTPError as error:
        raise HistoryUnknown("the git server does not answer now") from error
    except ValidationError as error:
        raise HistoryUnknown("the git server said what cannot be read") from error
