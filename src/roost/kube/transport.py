"""Transport: one connection pool to one kube-apiserver, made by lightkube (kubeconfig, TLS, token rotation).

`client.Client` objects of all identities share it. Requests are built fresh; nothing of a caller's request passes
through. Errors of lightkube and httpx2 end here: what leaves is `roost.kube.errors`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import yaml
from httpx2.websockets import AsyncWebSocketSession, WebSocketUpgradeError
from lightkube.config.client_adapter import ConnectionParams
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.core.exceptions import ConfigError
from lightkube.core.generic_client import BasicRequest, GenericAsyncClient

from roost.kube.errors import ConfigRefused, KubeError, Unreachable, from_status

TIMEOUT_S = 30.0
CONNECTIONS = 200


@dataclass
class _Parameters(ConnectionParams):
    """What httpx2.AsyncClient is made with; lightkube passes every field on."""

    limits: httpx2.Limits = field(default_factory=lambda: httpx2.Limits(max_connections=CONNECTIONS))
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """One request as data. `path` begins without a slash: `api/v1/namespaces/x/pods`."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


def read_config(kubeconfig: str | None = None) -> SingleConfig:
    """Where the cluster is: that kubeconfig, or else the pod's ServiceAccount, $KUBECONFIG or ~/.kube/config."""
    try:
        config = KubeConfig.from_file(Path(kubeconfig)) if kubeconfig else KubeConfig.from_env()
        single = config.get()
    except (
        ConfigError,
        OSError,
        KeyError,
        TypeError,
        AttributeError,
        yaml.YAMLError,
        msgspec.ValidationError,
    ) as error:
        raise ConfigRefused(f"There is no usable kubeconfig: {error}") from error
    if single is None:
        raise ConfigRefused("The kubeconfig names no current context.")
    return single


class Transport:
    """Sends requests. `agent` is the user agent: it stands in the audit log and tells the writers apart.

    inner: what carries the requests instead of the network, for tests.
    """

    def __init__(
        self, config: SingleConfig, agent: str = "roost", inner: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        parameters = _Parameters(
            timeout=httpx2.Timeout(TIMEOUT_S),
            trust_env=False,
            transport=inner,  # type: ignore[arg-type]  # lightkube names the base class of the other kind.
            headers={"User-Agent": agent, "Accept": "application/json"},
        )
        self._lightkube: Any = GenericAsyncClient(parameters, config)

    async def send(self, request: Request) -> bytes:
        """The body of the answer; KubeError for every answer that is none."""
        try:
            response = await self._lightkube.send(self._build(request))
        except httpx2.HTTPError as error:
            raise _unreachable(error) from error
        if response.status_code >= 400:
            raise _refusal(response, response.content)
        return bytes(response.content)

    @asynccontextmanager
    async def lines(self, request: Request, silence_s: float | None) -> AsyncIterator[AsyncIterator[str]]:
        """The lines of a streamed answer; Unreachable when none comes for `silence_s` seconds (half-open TCP)."""
        timeout = httpx2.Timeout(TIMEOUT_S, read=silence_s)
        try:
            response = await self._lightkube.send(self._build(request, timeout), stream=True)
        except httpx2.HTTPError as error:
            raise _unreachable(error) from error
        try:
            if response.status_code >= 400:
                raise _refusal(response, await response.aread())
            yield response.aiter_lines()
        except httpx2.HTTPError as error:
            raise _unreachable(error) from error
        finally:
            await response.aclose()

    @asynccontextmanager
    async def websocket(
        self, path: str, params: Sequence[tuple[str, str]], headers: Mapping[str, str], protocol: str
    ) -> AsyncIterator[AsyncWebSocketSession]:
        """An open WebSocket; KubeError when it is refused."""
        async with AsyncExitStack() as stack:
            try:
                opened = self._lightkube._client.websocket(
                    path, params=list(params), headers=dict(headers), subprotocols=[protocol]
                )
                session = await stack.enter_async_context(opened)
            except WebSocketUpgradeError as error:
                # The body is lost with the connection; the status says enough.
                raise _refusal(error.response, b"{}") from error
            except httpx2.HTTPError as error:
                raise _unreachable(error) from error
            yield session

    async def close(self) -> None:
        """Close all connections."""
        await self._lightkube.close()

    def _build(self, request: Request, timeout: httpx2.Timeout | None = None) -> httpx2.Request:
        basic = BasicRequest(
            method=request.method,
            url=request.path,
            params=dict(request.params),
            data=request.body,
            headers=dict(request.headers),
            timeout=timeout,
        )
        built: httpx2.Request = self._lightkube.build_adapter_request(basic)
        return built


def _unreachable(error: httpx2.HTTPError) -> Unreachable:
    text = str(error) or type(error).__name__
    return Unreachable(f"kube-apiserver did not answer: {text}")


def _refusal(response: httpx2.Response, content: bytes) -> KubeError:
    try:
        status = msgspec.json.decode(content)
    except msgspec.DecodeError:
        status = {"message": content[:500].decode("utf-8", "replace").strip()}
    if not isinstance(status, dict):
        status = {"message": str(status)[:500]}
    seconds = response.headers.get("Retry-After", "")
    return from_status(response.status_code, status, float(seconds) if seconds.isdigit() else 0.0)
