"""Prometheus metrics of the API. The envelope counts; `roost.mains.api` serves them on the address of metrics."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

REQUESTS: Final = Counter("roost_api_requests_total", "Requests that were answered.", ["method", "route", "status"])
REQUEST_S: Final = Histogram(
    "roost_api_first_byte_seconds", "Until an answer began.", ["method", "route"], buckets=_BUCKETS
)
OPEN: Final = Gauge("roost_api_open_requests", "Requests and streams that are open.")
METHODS: Final = frozenset(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "WS"])
