"""Release: the numbered versions of an application."""

from roost.kernel.capability import Capability

capability = Capability(
    name="release",
    resource="roost.model.kinds.app:Release",
    commands="roost.capabilities.release.commands:commands",
)
