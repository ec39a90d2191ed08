"""`roost.yaml`, the one file by which a repository speaks to Roost. `roost.builds.roost_file` reads it.

`tenant`, `env` and `app` are what the command line takes as given in that directory; what runs is in the other keys.
"""

from typing import Final

from pydantic import Field

from roost.model.pipeline import Pipeline
from roost.model.resource import Model

NAME: Final = "roost.yaml"
LARGEST: Final = 32 * 1024  # Bytes of the file.


class RoostFile(Model):
    """The whole file. Every key may be left out; one that is not known is an error, so that a slip is seen."""

    tenant: str = Field("", max_length=20)
    env: str = Field("", max_length=12)
    app: str = Field("", max_length=30)
    pipeline: Pipeline | None = None
