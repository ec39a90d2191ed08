"""Takes a run's report from its pod to the Run: `POST /outcomes/<tenant>/<project>/<run>`, which `app` answers here.

Kubernetes tells of a pod's end up to a second late, and run pods have no token for it. The pod brings the token by
which it fetches; the report becomes an annotation of the Run, and is sealed for the controller, which believes nothing
else (`roost.model.build_report`). So nothing here is trusted, and only the size is looked at.
"""

import re
from datetime import datetime
from typing import Final

import structlog

from roost.gitserver.cluster import Cluster
from roost.gitserver.exchange import NO_CACHE, Exchange, Scope, headers_of, named, whole_body
from roost.gitserver.requests import Refused, token_of
from roost.kube.errors import KubeError
from roost.surface import fetch_token

log = structlog.get_logger(__name__)

PATH: Final = "/outcomes/"
_RUN: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
MOST_BYTES: Final = 5 << 10  # A termination message has 4 KiB at most.


async def answer(exchange: Exchange, scope: Scope, cluster: Cluster, secret: str, now: datetime) -> None:
    """204 once it stands on the Run."""
    try:
        where, _, run = scope["path"].removeprefix(PATH).rpartition("/")
        name = named(where)
        if not fetch_token.opens(secret, token_of(headers_of(scope)), (name.tenant, name.project), now):
            raise Refused(401, "This is for the pods of runs.")
        if not _RUN.fullmatch(run):
            raise Refused(404, "There is no such run of this project.")
        body = await whole_body(exchange, MOST_BYTES)
        if not await cluster.bring(name, run, body.decode()):
            raise Refused(404, "There is no such run of this project.")
    except Refused as refused:
        await exchange.text(refused.status, str(refused))
    except UnicodeDecodeError:
        await exchange.text(400, "A report is text in UTF-8.")
    except KubeError as error:
        log.warning("outcome not brought", path=scope["path"], error=str(error))
        await exchange.text(503, "Kubernetes does not answer.")
    else:
        log.info("outcome brought", run=run, repository=str(name))
        await exchange.start(204, NO_CACHE)
        await exchange.write(b"", more=False)
