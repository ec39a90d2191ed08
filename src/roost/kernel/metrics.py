"""Prometheus metrics of the kernel. `roost.kernel.health` serves them."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)

RECONCILES: Final = Counter("roost_reconciles_total", "Reconciliations.", ["capability", "result"])
RECONCILE_S: Final = Histogram("roost_reconcile_seconds", "Duration of one.", ["capability"], buckets=_BUCKETS)
WRITES: Final = Counter("roost_writes_total", "Writes to kube-apiserver.", ["capability", "verb", "kind"])
UNCHANGED: Final = Counter("roost_unchanged_total", "Manifests that needed no write.", ["capability"])
QUEUED: Final = Gauge("roost_queue_objects", "Objects that wait for a worker.", ["capability"])
CACHED: Final = Gauge("roost_cache_objects", "Objects in the cache.", ["kind"])
RELISTS: Final = Counter("roost_relists_total", "Lists anew because a version was too old.", ["kind"])
WATCH_FAILURES: Final = Counter("roost_watch_failures_total", "Broken or refused streams.", ["kind"])
EVENTS_DROPPED: Final = Counter("roost_events_dropped_total", "Events beyond what one may tell.", ["capability"])
LEADER: Final = Gauge("roost_leader", "1 while this process leads.")
