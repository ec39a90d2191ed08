"""The API with an OpenID provider: a real one, built with Authlib, on a port of its own."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
import uvicorn

from roost.settings import Settings
from tests.integration.api.conftest import Running, Team, administrator, api, kubeconfig, other, team
from tests.integration.apiserver import ApiServer
from tests.integration.identity.provider import CLIENT_ID, CLIENT_SECRET, RealProvider


@pytest.fixture
async def provider() -> AsyncIterator[RealProvider]:
    """A running provider."""
    made = RealProvider()
    config = uvicorn.Config(made.application(), host="127.0.0.1", port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done(), serving.exception()
        await asyncio.sleep(0.01)
    made.issuer = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield made
    server.should_exit = True
    await serving
    await asyncio.sleep(0.05)


@pytest.fixture
def settings(provider: RealProvider, apiserver: ApiServer, tmp_path: Path) -> Settings:
    """Roost as it is registered there; whoever has an address at good.example comes in."""
    folder = tmp_path / "oidc"
    folder.mkdir()
    values = {
        "issuer": provider.issuer,
        "client-id": CLIENT_ID,
        "client-secret": CLIENT_SECRET,
        "title": "The company",
        "domains": "good.example",
    }
    for name, value in values.items():
        (folder / name).write_text(value)
    return Settings(oidc=str(folder), kubernetes_url=apiserver.url, kubernetes_ca=str(apiserver.authority))


@dataclass
class Browser:
    """A browser at the API: it keeps cookies (Secure ones too, as for a loopback), and tells where forms come from."""

    http: httpx2.AsyncClient
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        """Follow a link; redirections are the caller's to follow."""
        return self._kept(await self.http.get(path, headers={**self._sent(), **headers}))

    async def post(self, path: str, fields: dict[str, str], origin: str = "", **headers: str) -> httpx2.Response:
        """Send a form of a page of that origin; by itself the API's own."""
        own = str(self.http.base_url).rstrip("/")
        sent = {**self._sent(), "Origin": origin or own, **headers}
        return self._kept(await self.http.post(path, data=fields, headers=sent))

    def _sent(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}

    def _kept(self, answer: httpx2.Response) -> httpx2.Response:
        for line in answer.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            value, _, attributes = rest.partition(";")
            assert name.startswith("__Host-"), line
            for wanted in ("HttpOnly", "Secure", "Path=/", "SameSite=lax"):
                assert wanted in attributes, line
            if value.strip('"'):
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        self.http.cookies.clear()
        return answer

    async def through(self, provider: RealProvider, path: str = "/signin/oidc") -> httpx2.Response:
        """The whole way to the provider and back; the answer of the callback."""
        return await self.get(await self.to_callback(provider, path))

    async def to_callback(self, provider: RealProvider, path: str = "/signin/oidc") -> str:
        """To the provider; the path with which it sends the browser back."""
        provider.client.redirect_uri = f"{str(self.http.base_url).rstrip('/')}/signin/callback"
        begun = await self.get(path)
        assert begun.status_code == 303, begun.text
        async with httpx2.AsyncClient(trust_env=False) as outside:
            sent_back = await outside.get(begun.headers["location"])
        assert sent_back.status_code == 302, sent_back.text
        parts = urlsplit(sent_back.headers["location"])
        return f"{parts.path}?{parts.query}"


@pytest.fixture
def browser(api: Running) -> Browser:
    """A fresh browser."""
    return Browser(api.client())


__all__ = ["Running", "Team", "administrator", "api", "kubeconfig", "other", "settings", "team"]
