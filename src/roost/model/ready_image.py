"""A ready image that a project follows: what a commit of its hosted repository says, and how images are named.

The import writes it as IMAGE_FILE, the run reads it: so a tag that moves is a move of a ref like any other.
"""

from typing import Final

from pydantic import Field, ValidationError

from roost.model.kinds.source import IMAGE_PATTERN
from roost.model.resource import Model

IMAGE_FILE: Final = "roost-image.json"
DIGEST_PATTERN: Final = r"^sha256:[a-f0-9]{64}$"


class ReadyImage(Model):
    """An image in the project's own repository of the registry, and where it came from."""

    digest: str = Field(pattern=DIGEST_PATTERN, max_length=71, description="What runs: one platform's manifest.")
    source: str = Field(max_length=400, pattern=IMAGE_PATTERN, description="What was followed.")
    named: str = Field("", max_length=71, description="What the tag named there: the same, or an index of platforms.")

    def text(self) -> str:
        """The file's content."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


def read(text: str) -> ReadyImage | None:
    """The content of an IMAGE_FILE; None where it is none."""
    try:
        return ReadyImage.model_validate_json(text)
    except ValidationError:
        return None


def split(image: str) -> tuple[str, str, str]:
    """(registry, repository, tag or digest) of an image's full name; without either it is `latest`."""
    name, _, digest = image.partition("@")
    host, _, path = name.partition("/")
    repository, _, tag = path.partition(":")
    return host, repository, digest or tag or "latest"


def allowed(image: str, registries: tuple[str, ...]) -> bool:
    """Whether an image is beneath one of these: `host`, or `host/path`; a name is never half of another."""
    host, repository, _ = split(image)
    return any(f"{host}/{repository}/".startswith(f"{one.rstrip('/')}/") for one in registries)
