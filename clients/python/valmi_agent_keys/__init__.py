"""The key of one Valmi agent, read from AWS Secrets Manager and kept up to date.

>>> keys = AgentKeys("valmi/production/support/agent-key")
>>> response = keys.call(lambda key: httpx.get(url, headers={"X-Agent-Secret": key.reveal()}))

It behaves as the TypeScript library `valmi-agent-keys/agent` does, and keeps to the same bounds.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import math
import os
import re
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

__all__ = ["AgentKey", "AgentKeyUnreadableError", "AgentKeys", "Status"]

READ_SPACING_SECONDS = 5.0
"""No read begins sooner than this after the last one has ended, whatever is asked of it."""

LONGEST_SPACING_SECONDS = 80.0
"""While the secret can't be read, the time between two reads doubles, as far as this; a refused key asks at once."""

SCHEMA_VERSION = "1"

T = TypeVar("T")


class AgentKeyUnreadableError(Exception):
    """The agent key could not be read. The text holds AWS's reason where AWS gave one, and never a part of a value."""


class AgentKey:
    """A key that can't be printed, formatted, serialised or pickled by accident: it shows its fingerprint.

    The text itself leaves through `reveal` only. Call that only where the key goes on the wire.
    """

    __slots__ = ("__text", "fingerprint")

    def __init__(self, text: str) -> None:
        if not re.fullmatch(r"[\x21-\x7e]+", text):
            raise ValueError(f"agent key: must be visible ASCII without spaces, got {len(text)} characters")
        self.__text = text
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()[:12]

    def reveal(self) -> str:
        return self.__text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AgentKey) and other.reveal() == self.__text

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"[agent key {self.fingerprint}]"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an agent key can't be pickled or copied: it would leave its secret")


@dataclass(frozen=True)
class Status:
    """How things stand. Times are seconds since the epoch."""

    fingerprint: str
    """Names the key under AWSCURRENT without giving it away."""
    seen_at: float
    """When that was last seen there."""
    works_until: float
    """Until when it works at the least, even if it was replaced right after it was seen. Sooner only where it is
    revoked, or a rotation was unfinished then."""
    failure: AgentKeyUnreadableError | None
    """Why the last read failed; `None` where it didn't."""


@dataclass(frozen=True)
class _Record:
    key: AgentKey
    previous_expires_at: float


@dataclass
class _Reading:
    """One read under way: `begun` once it has waited for its turn."""

    begun: bool = False
    done: threading.Event = field(default_factory=threading.Event)
    error: AgentKeyUnreadableError | None = None


def _default_is_refused(outcome: object) -> bool:
    """Status 401: of the responses and the errors of httpx, requests, aiohttp and urllib, wrapped or not."""
    for _ in range(_LONGEST_CHAIN):
        if outcome is None:
            break
        for subject in (outcome, getattr(outcome, "response", None)):
            if any(getattr(subject, name, None) == 401 for name in ("status_code", "status", "code")):
                return True
        outcome = getattr(outcome, "__cause__", None)
    return False


_LONGEST_CHAIN = 5


@dataclass(frozen=True)
class _Mark:
    """Where a length begins: upon the clock, which may be set, and upon the counter, which never is."""

    time: float
    steady: float


_instances: weakref.WeakSet[AgentKeys] = weakref.WeakSet()


def _after_fork() -> None:
    """A read that was under way in the parent is never ended here, and whoever waited for it would wait for ever."""
    for keys in list(_instances):
        keys._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class AgentKeys:
    """The key of one agent. One for each secret is enough; threads and tasks may share it, and it survives a fork.

    How often it reads is bounded: in use and undisturbed once in 5 minutes; one more read for each key that is replaced
    (the one under AWSPREVIOUS, during its grace period); and whatever is refused or fails, no sooner than 5 seconds
    after the last read, for all callers together. A call whose key is refused waits for the read that it needs.
    """

    def __init__(
        self,
        secret_id: str,
        *,
        cache_seconds: float = 300,
        grace_period_hours: float = 24,
        client: Any = None,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """
        :param secret_id: name or ARN of the agent key's secret
        :param cache_seconds: for how long a key that was read is given out without another read
        :param grace_period_hours: how long the Control Plane accepts a replaced key; only told, by `status`
        :param client: boto3's client of Secrets Manager, or whatever has its `get_secret_value` (default: a new one, which
            waits 10 seconds at the most, in the region of the ARN, else of AWS_REGION, AWS_DEFAULT_REGION or the profile)
        :param steady: seconds since some moment; never goes back. Lengths are measured by it, so that a clock may be set
        :raises AgentKeyUnreadableError: if no region is known
        """
        for name, value in (("cache_seconds", cache_seconds), ("grace_period_hours", grace_period_hours)):
            if not value >= 0:
                raise ValueError(f"`{name}`: must be 0 or more, got: {value}")
        self._secret_id = secret_id
        self._cache_seconds = cache_seconds
        self._grace_seconds = grace_period_hours * 3600
        self._owns_client = client is None
        self._client = client if client is not None else _new_client(secret_id)
        self._clock = clock
        self._steady = steady
        self._sleep = sleep
        self._lock = threading.Lock()
        self._held: _Record | None = None
        self._seen: _Mark | None = None
        self._previous: tuple[AgentKey, AgentKey] | None = None  # the key under AWSPREVIOUS, and beside which one
        self._prefers_previous = False
        self._is_doubted = False
        self._failure: AgentKeyUnreadableError | None = None
        self._failures = 0
        self._last_read_end: _Mark | None = None
        self._reading: _Reading | None = None
        _instances.add(self)

    def current(self) -> AgentKey:
        """The key to use now. One that was read once is given out while Secrets Manager is out of reach, too.

        :raises AgentKeyUnreadableError: only where no key could be read yet
        """
        age = self._since(self._seen)
        if age >= self._cache_seconds:
            self._read_when_stale(age)
        return self._key_to_use()

    async def current_async(self) -> AgentKey:
        """As `current`. A read is waited for in a thread, so that other tasks go on."""
        if self._since(self._seen) < self._cache_seconds:
            return self._key_to_use()
        return await asyncio.to_thread(self.current)

    def call(self, use: Callable[[AgentKey], T], is_refused: Callable[[object], bool] = _default_is_refused) -> T:
        """Does something with the key to use now.

        Where the Control Plane refuses that key, the secret is read again, once, and the call repeated with the key
        found there; and where that one is refused too (not live yet, or revoked), with the key under AWSPREVIOUS, as long
        as its recorded grace period lasts. No key is tried twice.

        :param use: makes the call; repeated only after a refusal
        :param is_refused: whether the key was refused, by what `use` returned or raised (default: status 401)
        :returns: what the last call returned, a refusal included; raises what the last call raised
        :raises AgentKeyUnreadableError: only where no key could be read yet
        :raises TypeError: where `use` is a coroutine function, whose refusal can't be seen here
        """
        attempts = _Attempts(self)
        key = self.current()
        while True:
            raised: Exception | None = None
            result: T | None = None
            try:
                result = use(key)
            except Exception as error:
                raised = error
            if inspect.isawaitable(result):
                if inspect.iscoroutine(result):
                    result.close()
                raise TypeError("`use`: must not be awaitable, got a coroutine or a future. To fix: await `call_async`")
            following = attempts.next_key(key, is_refused(result if raised is None else raised))
            if following is None:
                if raised is not None:
                    raise raised
                return result  # type: ignore[return-value]
            key = following

    async def call_async(
        self,
        use: Callable[[AgentKey], Awaitable[T]],
        is_refused: Callable[[object], bool] = _default_is_refused,
    ) -> T:
        """As `call`, for a coroutine function. Reads are waited for in a thread, so that other tasks go on."""
        attempts = _Attempts(self)
        key = await self.current_async()
        while True:
            raised: Exception | None = None
            result: T | None = None
            try:
                result = await use(key)
            except Exception as error:
                raised = error
            if is_refused(result if raised is None else raised):
                following = await asyncio.to_thread(attempts.next_key, key, True)
            else:
                following = attempts.next_key(key, False)
            if following is None:
                if raised is not None:
                    raise raised
                return result  # type: ignore[return-value]
            key = following

    def refresh(self) -> AgentKey:
        """Reads the secret now (not sooner than 5 seconds after the last read) and gives the key under AWSCURRENT.

        :raises AgentKeyUnreadableError:
        """
        self._read_once()
        key = self._current_key()
        assert key is not None
        return key

    def status(self) -> Status | None:
        """How things stand; `None` before the first key. Reads nothing."""
        held, seen = self._held, self._seen
        if held is None or seen is None:
            return None
        return Status(held.key.fingerprint, seen.time, seen.time + self._grace_seconds, self._failure)

    def _forked(self) -> None:
        self._lock = threading.Lock()
        self._reading = None
        if self._owns_client:
            # Its connections are the parent's.
            self._client = _new_client(self._secret_id)

    def _mark(self) -> _Mark:
        return _Mark(self._clock(), self._steady())

    def _since(self, mark: _Mark | None) -> float:
        """Seconds. The longer answer counts: the counter stands still while a machine sleeps or a function is frozen."""
        if mark is None:
            return math.inf
        return max(0.0, self._clock() - mark.time, self._steady() - mark.steady)

    def _current_key(self) -> AgentKey | None:
        return None if self._held is None else self._held.key

    @staticmethod
    def _untried(key: AgentKey | None, tried: list[AgentKey]) -> AgentKey | None:
        return None if key in tried else key

    def _fallback(self) -> AgentKey | None:
        """The key under AWSPREVIOUS, where it is known and in its grace period."""
        held, previous = self._held, self._previous
        if held is None or previous is None or previous[1] != held.key:
            return None
        return previous[0] if self._clock() < held.previous_expires_at else None

    def _key_to_use(self) -> AgentKey:
        key = (self._fallback() if self._prefers_previous else None) or self._current_key()
        assert key is not None
        return key

    def _read_when_stale(self, age: float) -> None:
        """Only one caller waits for a read where there is a key that was in use until now; nobody where reads fail."""
        if self._held is None:
            self._read_once()
            return
        spacing = min(READ_SPACING_SECONDS * 2**self._failures, LONGEST_SPACING_SECONDS)
        if self._since(self._last_read_end) < spacing:
            return
        fails_now = self._failures > 0 and self._since(self._last_read_end) < self._cache_seconds
        others_read = self._reading is not None
        if others_read and (age < 2 * self._cache_seconds or fails_now):
            return
        try:
            self._read_once()
        except AgentKeyUnreadableError:
            pass  # the key that was read before is kept

    def _read_after_refusal(self, refused: AgentKey) -> None:
        try:
            reading = self._reading
            if reading is not None and reading.begun:
                # It may show what was there before the refusal.
                reading.done.wait()
            self._is_doubted = True
            if self._current_key() == refused:
                self._read_once()
        except AgentKeyUnreadableError:
            pass

    def _read_once(self) -> None:
        """The one read at a time. It waits until it may begin; whoever wants a read meanwhile gets this one."""
        with self._lock:
            reading = self._reading
            is_mine = reading is None
            if reading is None:
                reading = self._reading = _Reading()
        if is_mine:
            self._perform(reading)
        else:
            reading.done.wait()
        if reading.error is not None:
            raise AgentKeyUnreadableError(*reading.error.args)

    def _perform(self, reading: _Reading) -> None:
        try:
            wait = READ_SPACING_SECONDS - self._since(self._last_read_end)
            if wait > 0:
                self._sleep(wait)
            reading.begun = True
            self._read_both()
            self._failure, self._failures = None, 0
        except AgentKeyUnreadableError as error:
            reading.error = self._failure = error
            self._failures += 1
        finally:
            with self._lock:
                self._last_read_end = self._mark()
                self._reading = None
            reading.done.set()

    def _read_both(self) -> None:
        seen = self._mark()
        record = self._read("AWSCURRENT")
        self._held, self._seen, self._prefers_previous = record, seen, False
        is_known = self._previous is not None and self._previous[1] == record.key and not self._is_doubted
        self._is_doubted = False
        if is_known or self._clock() >= record.previous_expires_at:
            return
        # Read before it is needed, so that it is there when Secrets Manager isn't. Without it, all goes on.
        try:
            self._previous = (self._read("AWSPREVIOUS").key, record.key)
        except AgentKeyUnreadableError:
            pass

    def _read(self, label: str) -> _Record:
        try:
            answer = self._client.get_secret_value(SecretId=self._secret_id, VersionStage=label)
            return _parse(str(answer.get("SecretString", "")))
        except Exception as error:
            reason = _reason_of(error)
        # Outside the handler, so that no context goes along: other errors' texts and frames may hold the value.
        raise AgentKeyUnreadableError(f"secret '{self._secret_id}', {label}: {reason}")


class _Attempts:
    """The keys of one call."""

    def __init__(self, keys: AgentKeys) -> None:
        self._keys = keys
        self._tried: list[AgentKey] = []
        self._has_read = False

    def next_key(self, key: AgentKey, is_refused: bool) -> AgentKey | None:
        """The key to repeat the call with; `None` where it is done. May wait for a read after a refusal."""
        keys = self._keys
        if not is_refused:
            if self._tried:
                keys._prefers_previous = keys._fallback() == key
            return None
        self._tried.append(key)
        following = keys._untried(keys._current_key(), self._tried)
        if following is None and not self._has_read:
            self._has_read = True
            keys._read_after_refusal(key)
            following = keys._untried(keys._current_key(), self._tried)
        if following is None:
            following = keys._untried(keys._fallback(), self._tried)
        return following


_PATIENCE = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 2, "mode": "standard"})


def _new_client(secret_id: str) -> Any:
    """In the region of the ARN, else of AWS_REGION, AWS_DEFAULT_REGION or the profile. An empty variable is none."""
    of_arn = re.match(r"arn:[^:]+:[^:]+:([a-z]{2}-[a-z0-9-]+\d):", secret_id)
    session = boto3.Session()
    region = (
        (of_arn[1] if of_arn else None)
        or os.environ.get("AWS_REGION")
        or os.environ.get("AWS_DEFAULT_REGION")
        or session._session.get_scoped_config().get("region")
    )
    if not region:
        raise AgentKeyUnreadableError(
            f"secret '{secret_id}': no AWS region is known: name the secret by its ARN, set AWS_REGION or "
            "AWS_DEFAULT_REGION, or give the profile a region"
        )
    return session.client("secretsmanager", region_name=region, config=_PATIENCE)


class _UnreadableValue(Exception):
    pass


_KEY_SHAPE = re.compile(
    r"(?<![A-Za-z0-9])(?:token|sk|secret|agent)_(?!(?:type|instance)(?:s|_id)?\b|secret\b)[A-Za-z0-9_-]{6,}"
)


def _reason_of(error: Exception) -> str:
    """What AWS said, with what has the shape of a key masked. A parser's text quotes what it could not parse."""
    if isinstance(error, _UnreadableValue):
        return str(error)
    if isinstance(error, ClientError):
        told = error.response.get("Error", {})
        return _KEY_SHAPE.sub("[masked]", f"{told.get('Code')}: {told.get('Message')}")
    name = type(error).__name__
    if not isinstance(error, BotoCoreError):
        return f"AWS's answer can't be read ({name})"
    return _KEY_SHAPE.sub("[masked]", f"{name}: {error}")


_ISO = re.compile(
    r"(\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d)(:[0-5]\d)?(?:\.(\d{1,9}))?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)


def _parse_iso(text: object) -> float:
    """Raises a `ValueError` for what is not ISO 8601 with a date, a time and a zone."""
    found = _ISO.fullmatch(text) if isinstance(text, str) else None
    if found is None or (found[3] is not None and found[2] is None):
        raise ValueError
    zone = "+00:00" if found[4] == "Z" else found[4]
    milliseconds = (found[3] or "").ljust(3, "0")[:3]
    return datetime.fromisoformat(f"{found[1]}{found[2] or ':00'}.{milliseconds}{zone}").timestamp()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _parse(value: str) -> _Record:
    """Asks for no more than an agent needs. The text of the error never holds any of the value.

    The TypeScript library judges alike: `tests/stored-values.json` has the cases of both.
    """
    try:
        fields = json.loads(value, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise _UnreadableValue("the secret's value is not a JSON object")
    if fields.get("schemaVersion") != SCHEMA_VERSION:
        raise _UnreadableValue("the secret's value has a missing or unreadable field: schemaVersion")
    try:
        key = AgentKey(fields["VALMI_AGENT_KEY"])
    except (KeyError, TypeError, ValueError):
        raise _UnreadableValue("the secret's value has a missing or unreadable field: VALMI_AGENT_KEY") from None
    expires = fields.get("previousKeyExpiresAt", "")
    if expires == "":
        return _Record(key, 0)
    try:
        return _Record(key, _parse_iso(expires))
    except ValueError:
        raise _UnreadableValue("the secret's value has a missing or unreadable field: previousKeyExpiresAt") from None
