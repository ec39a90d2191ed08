"""Principal: who makes a request. The API's authentication makes it; everything that a route does is done as it."""

from dataclasses import dataclass
from datetime import datetime

from roost.model.names import PEOPLE_NAMESPACE


@dataclass(frozen=True)
class Principal:
    """A person who is signed in. `token_id` is the token used; None where a password came with the request."""

    person: str
    token_id: str | None = None
    platform_role: str = ""
    uid: str = ""  # Of the person's User: who bears the name later is somebody else.
    machine: bool = False  # A machine of a tenant, not a person.
    expires: datetime | None = None  # When the token ends.

    @property
    def username(self) -> str:
        """The Kubernetes user that the person is."""
        return username(self.person)

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that Kubernetes gives such a ServiceAccount."""
        return ("system:serviceaccounts", f"system:serviceaccounts:{PEOPLE_NAMESPACE}", "system:authenticated")


def username(person: str) -> str:
    """The Kubernetes user name of a person: their ServiceAccount in `roost-people`."""
    return f"system:serviceaccount:{PEOPLE_NAMESPACE}:{person}"
