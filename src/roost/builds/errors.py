"""Why a repository cannot be built, in words for its owner.

Unbuildable     nothing was tried: what is missing or not offered; `reason` is CamelCase
"""


class Unbuildable(Exception):
    """The text says what is missing and what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
