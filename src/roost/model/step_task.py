"""What the container of a step is told, and where the pod of a run has what its containers share.

The container's first process is `roost-entrypoint` (engine/entrypoint); its header tells the files. Made by the run
capability; `roost.builds.conduct` is the other side.
"""

from typing import Final

from pydantic import Field

from roost.model.resource import Model

VARIABLE: Final = "ROOST_STEP"
PROGRAM: Final = "roost-entrypoint"
BIN: Final = "/run/roost/bin"  # The program; steps only read it.
TURNS: Final = "/run/roost/turns"  # The conductor's gates, one file for each step; steps only read them.
OWN: Final = "/run/roost/steps"  # In the conductor: a folder for each step, by its place.
STEP: Final = "/run/roost/step"  # In a step: its own of those, and no other's.
WORKSPACE: Final = "/workspace"  # The commit's files; every step's working directory.
HOME: Final = "/run/roost/home"  # Of all steps.

GO: Final = "go"
ALIVE: Final = "alive"
OUTPUT: Final = "output"
RESULT: Final = "result"
OUTPUT_LIMIT: Final = 2 << 20  # Bytes that are kept of what a step prints.
RESULT_LIMIT: Final = 32 << 10  # Bytes that the conductor reads of a result.


class StepTask(Model):
    """One step, as its entrypoint reads it."""

    gate: str = Field(max_length=200)
    own: str = Field(STEP, max_length=200)
    workspace: str = Field(WORKSPACE, max_length=200)
    commands: tuple[str, ...] = Field(min_length=1, max_length=50)
    timeout_s: int = Field(ge=1, le=7200, description="Seconds of one try.")
    tries: int = Field(1, ge=1, le=4)
    limit: int = Field(OUTPUT_LIMIT, ge=1024, description="Bytes of output.")
    secrets: tuple[str, ...] = Field((), max_length=10, description="Variables whose values are not printed.")


class StepResult(Model):
    """What an entrypoint says of its step. The step itself could have written it: it is believed of that step only."""

    exit_code: int = Field(ge=-1, le=255)
    reason: str = Field("", max_length=30, pattern=r"^[A-Za-z]*$")
    message: str = Field("", max_length=500)
    tries: int = Field(ge=1, le=4)
    seconds: float = Field(ge=0, le=1_000_000, allow_inf_nan=False)
    tail: str = Field("", max_length=8192)


def gate(place: int) -> str:
    """The name of a step's gate."""
    return f"gate-{place}"
