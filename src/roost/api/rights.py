"""Rights: may a person read a kind in a namespace? Asked of RBAC (SubjectAccessReview), for answers from the cache.

Only a yes is remembered, for KEEP at most, and forgotten when the Tenant or the User changes. Who is not allowed by it
is sent to kube-apiserver as themselves, which says no in its own words.
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from roost.api.access import may
from roost.kernel.store import Change
from roost.kube.client import Client
from roost.model.names import split_namespace
from roost.surface.principal import Principal

KEEP: Final = timedelta(seconds=10)
MAX_REMEMBERED: Final = 20_000

_Key = tuple[str, str, str, str]  # (person, namespace, resource, verb)


class Rights:
    """What RBAC lately allowed."""

    def __init__(self, client: Client, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._clock = clock
        self._until: OrderedDict[_Key, datetime] = OrderedDict()
        self._changes = 0

    async def allows(
        self, principal: Principal, verb: str, resource: str, namespace: str | None, anew: bool = False
    ) -> bool:
        """May the person do `verb` on that resource there? KubeError. `anew`: as RBAC says now."""
        key = (principal.person, namespace or "", resource, verb)
        until = self._until.get(key)
        if not anew and until is not None and until > self._clock():
            return True
        asked, changes = self._clock(), self._changes
        if not await may(self._client, principal, verb, resource, namespace or ""):
            self._until.pop(key, None)
            return False
        if changes == self._changes:  # Else what was answered may be from before the change.
            self._until[key] = asked + KEEP
            if len(self._until) > MAX_REMEMBERED:
                self._until.popitem(last=False)
        return True

    def on_tenant(self, change: Change) -> None:
        """A Tenant changed: forget what was allowed in its namespaces."""
        item = change.new or change.old
        name = item["metadata"]["name"] if item else ""
        self._forget(lambda key: (split_namespace(key[1]) or ("",))[0] in (name, ""))

    def on_user(self, change: Change) -> None:
        """A User changed: forget what they were allowed."""
        item = change.new or change.old
        name = item["metadata"]["name"] if item else ""
        self._forget(lambda key: key[0] == name)

    def _forget(self, which: Callable[[_Key], bool]) -> None:
        self._changes += 1
        for key in [key for key in self._until if which(key)]:
            del self._until[key]
