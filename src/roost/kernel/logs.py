"""Structured logs: one JSON object a line on stderr, with the request id of the API call that led to it.

`mains` call `configure` once; everybody else uses structlog. `request_id`, `capability` and `object` are bound for the
time of a reconciliation and stand in every line below it.
"""

import logging
import sys

import structlog


def configure(level: str = "INFO", stream: object = None) -> None:
    """Write JSON lines of `level` and above to `stream` (stderr)."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
