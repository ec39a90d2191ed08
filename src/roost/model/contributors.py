"""Who wrote what lies between two commits, as the git server tells it and a Promotion keeps it.

Names and mail addresses are what the commits say: anybody can write any of them into a commit. So they only ever take
somebody from those who may approve, and never give anybody a right.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from pydantic import Field

from roost.model.resource import Model

MOST: Final = 2000  # People in one answer, the newest first.
MOST_COMMITS: Final = 20_000
HERE: Final = 200  # Of those who wrote, so many are told of who are somebody here,
ELSEWHERE: Final = 40  # and so many who are not.
UPLOADS: Final = "roost.localhost"  # Commits that Roost makes of an uploaded archive are `<person>@` this.


class Contributor(Model):
    """One who wrote, or helped to write, or committed."""

    name: str = Field("", max_length=100, description="As the commits say.")
    mail: str = Field("", max_length=200, description="As the commits say, in lower case.")
    wrote: bool = Field(True, description="Author or co-author; else who only committed, as a forge that merges does.")
    commits: int = Field(1, ge=1, description="In how many commits.")


class Contributors(Model):
    """All of a range of commits."""

    people: tuple[Contributor, ...] = Field((), max_length=MOST)
    commits: int = Field(0, ge=0, description="How many commits were looked at.")
    complete: bool = Field(True, description="No commit and nobody was left out.")


class Writer(Model):
    """One who wrote, as a Promotion tells it."""

    name: str = Field("", max_length=100, description="As the commits say.")
    mail: str = Field("", max_length=200, description="As the commits say.")
    person: str = Field("", max_length=100, description="Who that is here, by the mail address; empty: nobody known.")
    commits: int = Field(1, ge=1, description="In how many commits.")


Commit = Annotated[str, Field(max_length=64)]


class Written(Model):
    """Who wrote what a Promotion brings: the commits that lead to it and not to what is there."""

    project: str = Field(max_length=30)
    ends: tuple[Commit, ...] = Field(max_length=20, description="The commits that the image was built of.")
    bases: tuple[Commit, ...] = Field((), max_length=20, description="Those of the image that was there.")
    people: tuple[Writer, ...] = Field(
        (), max_length=HERE + ELSEWHERE, description="Those who are somebody here come first."
    )
    others: int = Field(0, ge=0, description="How many more wrote, of whom nobody is known here.")
    commits: int = Field(0, ge=0, description="How many commits that are.")
    complete: bool = Field(True, description="Nobody was left out.")

    @property
    def asked(self) -> tuple[object, ...]:
        """What was asked: the same question has the same answer."""
        return self.project, self.ends, self.bases


def persons(mail: str, accounts: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Whose mail address that is. accounts: people by the mail address of their account, and by their own id."""
    user, _, domain = mail.partition("@")
    own = accounts.get(user, ()) if domain == UPLOADS else ()
    return (*accounts.get(mail, ()), *own)


def told(found: Contributors, accounts: Mapping[str, Sequence[str]]) -> tuple[tuple[Writer, ...], tuple[Writer, ...]]:
    """(who wrote and is somebody here, who wrote and is not). Who only committed counts where he is known here."""
    here, elsewhere = [], []
    for item in found.people:
        who = persons(item.mail, accounts)
        here += [Writer(name=item.name, mail=item.mail, person=one, commits=item.commits) for one in who]
        if not who and item.wrote:
            elsewhere.append(Writer(name=item.name, mail=item.mail, commits=item.commits))
    return tuple(here), tuple(elsewhere)
