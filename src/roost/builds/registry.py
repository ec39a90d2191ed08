"""Reads of the registry in a run pod: which bases are offered, and what an image's configuration says."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
TRIES = 120  # A registry that died is there again within seconds.
PAUSE_S = 0.5
_LIMIT = 4 << 20
_TIMEOUT_S = 20


class RegistryFailed(Exception):
    """The registry did not answer as it should; the text says what was asked."""


class Registry:
    """The registry at `host` (host:port), with an access token; TLS by the authority in the file `ca`.

    `pause` waits so many seconds between two tries at a registry that starts anew.
    """

    def __init__(self, host: str, token: str, ca: str, pause: Callable[[float], object]) -> None:
        self._host = host
        self._token = token
        self._pause = pause
        context = ssl.create_default_context(cafile=ca)
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def _get(self, path: str, accept: str = "application/json") -> dict[str, Any] | None:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": accept}
        request = urllib.request.Request(f"https://{self._host}/v2/{path}", headers=headers)
        problem = ""
        for _ in range(TRIES):
            try:
                with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
                    loaded = json.loads(answer.read(_LIMIT))
                return loaded if isinstance(loaded, dict) else None
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    return None
                problem = f"The registry answered {error.code} for {path}."
                if error.code < 500:
                    break
            except (OSError, ValueError) as error:
                problem = f"The registry did not answer for {path}: {error}"
            self._pause(PAUSE_S)
        raise RegistryFailed(problem)

    def offered(self, repositories: Sequence[str]) -> tuple[str, ...]:
        """Images with tags, such as base/python:3.13, sorted. RegistryFailed."""
        found = []
        for name in repositories:
            tags = (self._get(f"{name}/tags/list") or {}).get("tags") or ()
            found += [f"{name}:{tag}" for tag in tags]
        return tuple(sorted(found))

    def config(self, repository: str, digest: str) -> dict[str, Any]:
        """The `config` part of an image's configuration: User, ExposedPorts, Cmd ... RegistryFailed."""
        manifest = self._get(f"{repository}/manifests/{digest}", MANIFESTS) or {}
        blob = (manifest.get("config") or {}).get("digest")
        if not blob:
            raise RegistryFailed(f"The registry has no image {repository}@{digest}.")
        image = self._get(f"{repository}/blobs/{blob}", "*/*") or {}
        config = image.get("config")
        return config if isinstance(config, dict) else {}


def runs_as_root(config: dict[str, Any]) -> bool:
    """Whether an image's process is root. A user's name may mean anything, so only a number other than 0 is none."""
    user = str(config.get("User") or "").partition(":")[0]
    return not (user.isdigit() and int(user) > 0)


def only_port(config: dict[str, Any]) -> int | None:
    """The TCP port, where the image exposes exactly one."""
    ports = [key.partition("/")[0] for key in config.get("ExposedPorts") or {} if not str(key).endswith("/udp")]
    return int(ports[0]) if len(ports) == 1 and ports[0].isdigit() and 0 < int(ports[0]) < 65536 else None
