"""Log lines on standard error, as text or JSON. Lines of libraries have the same form."""

from __future__ import annotations

import contextlib
import logging
import logging.config
import sys
from collections.abc import Iterator
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from structlog.typing import EventDict, Processor, WrappedLogger

from kubekeep.model.text import visible
from kubekeep_server.store.errors import StoreUnavailableError


def configure_logs(layout: str, stream: Any = None) -> None:
    """Set up logging for the process. layout: `text` or `json`. stream: of the lines; None for standard error."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: Processor = structlog.processors.JSONRenderer()
    if layout == "text":
        shared.append(_escape_values)
        renderer = structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    # They would log the start and each migration step twice, and requests of the HTTP client with their queries.
    for name in ("alembic", "httpx", "httpx2", "httpcore", "httpcore2", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)


@contextlib.contextmanager
def log_failures(log: Any, noun: str) -> Iterator[None]:
    """Log errors of the database, and go on. noun: of the work that is late."""
    try:
        yield
    except StoreUnavailableError as error:
        log.warning("work waits for the database", work=noun, reason=str(error))
    except SQLAlchemyError as error:
        log.warning("work is delayed", work=noun, exc_info=error)


def _escape_values(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Return an event whose texts have no control characters, which requests may contain."""
    del logger, method
    return {name: visible(value) if isinstance(value, str) else value for name, value in event.items()}
