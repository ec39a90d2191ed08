"""What the registry keeps of runs beside images, by the type of the artefact, and how much of each.

Written by `roost.builds` in a run's pod, read by the API, collected by `roost.adapters.registry_store`.
"""

from collections.abc import Mapping
from typing import Final

LOG: Final = "application/vnd.roost.run-log.v1.ndjson+gzip"
TESTS: Final = "application/vnd.roost.tests.v1+json"
ARTEFACTS: Final = "application/vnd.roost.artefacts.v1"
CACHE: Final = "application/vnd.roost.cache.v1"
CHECKPOINT: Final = "application/vnd.roost.checkpoint.v1"

# Of each project the newest so many stay, whether it has an image or not: runs that failed are asked about most.
NEWEST: Final[Mapping[str, int]] = {LOG: 150, TESTS: 150, ARTEFACTS: 60, CACHE: 40, CHECKPOINT: 60}
