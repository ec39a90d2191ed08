"""What the pod of a Notice is told: one JSON text in the variable ROOST_NOTICE, and the channel's Secret as a file.

Made by the notice capability, read by `roost.mains.notify`; its report goes back as the pod's termination message.
"""

from typing import Final

from pydantic import Field, ValidationError

from roost.model.resource import Model

VARIABLE: Final = "ROOST_NOTICE"


class NoticeTask(Model):
    """One delivery of a webhook."""

    url: str = Field(max_length=1000)
    id: str = Field(max_length=100, description="The same for every try: by it a receiver knows a repeated one.")
    body: str = Field(max_length=65_000, description="JSON, as it is signed and sent.")
    timeout_s: int = Field(15, ge=1, le=60)
    networks: str = Field("", max_length=1000, description="CIDRs beside the world's that may be reached, by spaces.")
    proxy: str = Field("", max_length=300)


class NoticeReport(Model):
    """How it went. reason: CamelCase, empty when it was taken."""

    ok: bool
    reason: str = Field("", max_length=60)
    message: str = Field("", max_length=1000)


def read(text: str) -> NoticeReport | None:
    """The report in a termination message, or None where the pod left none."""
    try:
        return NoticeReport.model_validate_json(text)
    except ValidationError:
        return None
