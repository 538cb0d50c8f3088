"""Worker processes for tasks: limits on time and number, and an end to the process if a call is cancelled.

Every task has a scratch folder, which is removed whatever happens to its process.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Final, TypeVar

import anyio
import anyio.to_process
from mcp.server.mcpserver.exceptions import ToolError

from kubekeep.mcp.tasks.task_input import TaskError

T = TypeVar("T")
_MAX_RUNNING: Final = 2
_MAX_WAITING: Final = 8
"""Calls that may wait for a process; further ones are refused."""


class Workers:
    """Runs tasks in processes of their own, and reuses the processes."""

    def __init__(self, timeout: float) -> None:
        """Create the workers; `timeout` is the time limit of a task with its wait, in seconds."""
        self._timeout = timeout
        self._limiter = anyio.CapacityLimiter(_MAX_RUNNING)

    async def run(self, make_task: Callable[[str], Callable[[], T]]) -> T:
        """Run the task that `make_task` makes for a scratch folder. Raises ToolError."""
        if self._limiter.statistics().tasks_waiting >= _MAX_WAITING:
            raise ToolError("too many calls at once; wait for the running ones and call again")
        with tempfile.TemporaryDirectory(prefix="kubekeep-", ignore_cleanup_errors=True) as scratch:
            try:
                with anyio.fail_after(self._timeout):
                    return await anyio.to_process.run_sync(make_task(scratch), cancellable=True, limiter=self._limiter)
            except TimeoutError:
                raise ToolError(
                    f"not finished within {self._timeout:g} seconds; name a smaller path or fewer controls, "
                    "or start the server with a larger --timeout"
                ) from None
            except TaskError as error:
                raise ToolError(str(error)) from error
            except anyio.BrokenWorkerProcess as error:
                raise ToolError("the process of the task ended; name a smaller path and call again") from error
