"""Who wrote what lies between two commits, as the git server tells it and a Promotion keeps it.

Names and mail addresses are what the commits say: anybody can write any of them into a commit. So they only ever take
somebody from those who may approve, and never give anybody a right.
"""

from typing import Final

from pydantic import Field

from roost.model.resource import Model

MOST: Final = 200  # People in one answer, the newest first.
MOST_COMMITS: Final = 5000
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
