"""The most that a tenant's builder may take: its pod is made with it, and a build that takes more is told of it."""

from typing import Final

MEMORY_GI: Final = 4
CACHE_GI: Final = 20  # Of disk, for layers and cache mounts.
