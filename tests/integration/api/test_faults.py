"""kube-apiserver goes away and comes back: requests are told so, streams go on, nothing is lost or doubled."""

import asyncio

import pytest

from tests.integration.api.conftest import Running, Team, app_body
from tests.integration.api.test_watch import watching
from tests.integration.apiserver import ApiServer

pytestmark = pytest.mark.integration


async def test_a_restart_of_kube_apiserver_is_told_and_survived(api: Running, team: Team, apiserver: ApiServer) -> None:
    http = await api.as_(team.person("developer"))
    await http.post(team.of("apps"), json=app_body("before"))
    async with watching(http, team.of("apps")) as events:
        assert await events.take(2) == [("added", "before"), ("synced", "")]
        apiserver.kill("kube-apiserver")
        try:
            for answer in (
                await http.get(team.of("apps")),
                await http.post(team.of("apps"), json=app_body("lost")),
                await http.get("/readyz"),
                await api.client().post("/v1/session", json={"name": "nobody", "password": "guess"}),
            ):
                assert answer.status_code == 503, answer.text
                assert answer.json()["type"].endswith("/unavailable")
                assert "127.0.0.1" not in answer.text, "Addresses of the platform are nobody's business."
            assert (await http.get("/healthz")).status_code == 200
        finally:
            apiserver.start("kube-apiserver")
            await asyncio.to_thread(apiserver.wait)
        made = await http.post(team.of("apps"), json=app_body("after"))
        assert made.status_code == 201, made.text
        seen = await events.take(1)
        if seen == [("reset", "")]:
            # A kube-apiserver that has just started does not know positions of before: all is sent anew.
            # What was made just now comes with it, or right after it.
            seen = sorted(await events.take(3))
            assert seen == [("added", "after"), ("added", "before"), ("synced", "")]
        else:
            assert seen == [("added", "after")]
    assert (await http.get("/readyz")).status_code == 200
    assert (await http.get(f"{team.of('apps')}/lost")).status_code == 404
