"""The process: it starts with its settings, answers probes and metrics, and ends when it is told to."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import httpx2
import pytest

from tests.integration.api.conftest import KEY, Running, Team

pytestmark = pytest.mark.integration


def _port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


async def test_it_starts_serves_and_ends(kubeconfig: Path, api: Running, team: Team, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("shared-secret-of-this-test\n")
    (tmp_path / "key.pem").write_bytes(KEY)
    port, measures = _port(), _port()
    environment = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "ROOST_LISTEN": f"127.0.0.1:{port}",
        "ROOST_METRICS": f"127.0.0.1:{measures}",
        "ROOST_GIT_SECRET": str(tmp_path / "token"),
        "ROOST_REGISTRY_KEY": str(tmp_path / "key.pem"),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "roost.mains.api", env=environment, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    headers = {"Authorization": f"Bearer {await api.token(team.person('viewer'))}"}
    base = f"http://127.0.0.1:{port}"
    async with httpx2.AsyncClient(base_url=base, headers=headers, trust_env=False) as http, asyncio.timeout(40):
        while True:
            try:
                if (await http.get("/readyz")).status_code == 200:
                    break
            except httpx2.ConnectError:
                assert process.returncode is None, (await process.stderr.read()).decode()
                await asyncio.sleep(0.1)
        assert (await http.get(team.of("apps"))).status_code == 200
        counted = (await http.get(f"http://127.0.0.1:{measures}/metrics")).text
        route = "/v1/tenants/{tenant}/environments/{environment}/apps"
        assert f'roost_api_requests_total{{method="GET",route="{route}",status="200"}} 1.0' in counted
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(1)
        # The gateway still sends for a moment: it is served.
        assert (await http.get(team.of("apps"))).status_code == 200
        said = (await process.stderr.read()).decode()
        assert await process.wait() in (0, -signal.SIGTERM)
    assert team.person("viewer") in said and '"status": 200' in said
    assert headers["Authorization"][7:] not in said
