"""Valmi's Python SDK (`value-python`) with a key that changes.

The SDK takes the key once, where it is initialised, so it has to be initialised again when there is a new one. The other
way is to start the process again: `node_modules/.bin/valmi-agent-keys exec --secret NAME -- python agent.py`.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from . import AgentKey, AgentKeys

RETRY_SECONDS = 60.0
"""The Control Plane is asked no more often than this to initialise a client in the place of one that there is."""


_instances: weakref.WeakSet[ValueClients] = weakref.WeakSet()


def _after_fork() -> None:
    """A lock that a thread of the parent held is never released here."""
    for clients in list(_instances):
        clients._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class ValueClients:
    """Gives a client of the SDK that was initialised with the key to use now.

    >>> clients = ValueClients(AgentKeys("valmi/production/support/agent-key"))
    >>> with clients.current().action_context(user_id="u1", anonymous_id="a1") as context:
    ...     context.send(action_name="answered")

    Ask for `current()` where an action begins, and keep no client. OpenTelemetry lets a process set its tracer provider
    once, so later clients send by the provider of the first, and their initialisation logs that it was not replaced.
    """

    def __init__(
        self,
        keys: AgentKeys,
        initialize: Callable[..., Any] | None = None,
        *,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        **options: Any,
    ) -> None:
        """
        :param initialize: called as `initialize(agent_secret=…, **options)` (default: the SDK's `initialize_sync`)
        :param options: such as `service_name`
        """
        if initialize is None:
            from value import initialize_sync  # type: ignore[import-untyped]

            initialize = initialize_sync
        self._keys = keys
        self._initialize = initialize
        self._options = options
        self._clock = clock
        self._lock = threading.Lock()
        self._client: Any = None
        self._key: AgentKey | None = None
        self._steady = steady
        self._failed: tuple[float, float] | None = None
        _instances.add(self)

    def current(self) -> Any:
        """The client to use now. While the Control Plane can't initialise another, the one that there is.

        :raises AgentKeyUnreadableError: only where no key could be read yet
        :raises Exception: what the SDK raises, only where there is no client yet
        """
        if self._client is None:
            with self._lock:
                if self._client is None:
                    self._start()
                return self._client
        # One asks the Control Plane for another; the others go on with the one that there is.
        if self._keys.current() != self._key and self._lock.acquire(blocking=False):
            try:
                if self._may_retry() and self._keys.current() != self._key:
                    self._start()
            except Exception:
                self._failed = (self._clock(), self._steady())
            finally:
                self._lock.release()
        return self._client

    def _may_retry(self) -> bool:
        if self._failed is None:
            return True
        clock, steady = self._failed
        return max(self._clock() - clock, self._steady() - steady) >= RETRY_SECONDS

    def _forked(self) -> None:
        self._lock = threading.Lock()

    def _start(self) -> None:
        self._client, self._key = self._keys.call(
            lambda key: (self._initialize(agent_secret=key.reveal(), **self._options), key)
        )
