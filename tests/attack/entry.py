"""Ways into running pods: shells, tunnels, proxies, debug containers. Used by the tests of entry and of sabotage."""

from typing import Any

import httpx2

from roost.model import names
from tests.attack import ways
from tests.attack.table import BUILD_POD, POD, changed
from tests.attack.world import CONTROLLER, MALLORY, World, collection

PLACES = {"roost-enter-builds": "acme-build", "roost-enter-platform": names.SYSTEM_NAMESPACE}
DOORS = {
    "exec": ("POST", "exec?command=id&container=web&stdout=true"),
    "exec-by-get": ("GET", "exec?command=id&container=web&stdout=true"),
    "attach": ("POST", "attach?container=web&stdout=true"),
    "portforward": ("POST", "portforward"),
    "proxy": ("GET", "proxy/"),
    "proxy-with-a-path": ("POST", "proxy/a/b"),
}


def pod(world: World, space: str) -> str:
    """The path of a pod there that stands."""
    twin = changed(BUILD_POD if space == "acme-build" else POD, metadata__namespace=space, metadata__name="entry")
    path = f"{collection(twin)}/{twin['metadata']['name']}"
    if world.call("", "GET", path).status_code == 404:
        who = CONTROLLER if space == "acme-build" else ""
        made = world.call(who, "POST", collection(twin), twin)
        assert made.status_code == 201, made.text
    return path


def knock(world: World, space: str, door: str) -> httpx2.Response:
    """Mallory, whom RBAC lets, tries a door. No node runs the pod: who is let in finds that it has no host."""
    method, rest = DOORS[door]
    return world.call(MALLORY, method, f"{pod(world, space)}/{rest}")


def debug(world: World, space: str) -> httpx2.Response:
    """Mallory adds a debug container."""
    path = pod(world, space)
    image = POD["spec"]["containers"][0]["image"]
    live: dict[str, Any] = world.call("", "GET", path).json()
    extra = {"name": "debug", "image": image, "securityContext": POD["spec"]["containers"][0]["securityContext"]}
    live["spec"]["ephemeralContainers"] = [extra]
    return world.call(MALLORY, "PUT", f"{path}/ephemeralcontainers", live, params=ways.DRY)
