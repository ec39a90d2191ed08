"""Errors that say what happens next. Observe, plan, actions and finalize raise them; the kernel writes conditions.

    Outcome
    ├── Stalled     needs a human or a new spec; looked at again when something changes
    └── Waiting     something else must happen first; looked at again after `after_s`

Every other error is retried with back-off.
"""


class Outcome(Exception):
    """`reason` is CamelCase, `message` one or more whole sentences for a person."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Stalled(Outcome):
    """No retry will help: the spec, or something that a human owns, must change."""


class Waiting(Outcome):
    """Not yet: look again after `after_s` seconds, or earlier when something that is watched changes."""

    def __init__(self, reason: str, message: str, after_s: float = 10.0) -> None:
        super().__init__(reason, message)
        self.after_s = after_s
