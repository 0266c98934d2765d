"""The library on its own, in virtual time."""

import asyncio
import json
import os
import pickle
import select
import threading
from datetime import datetime, timezone
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from valmi_agent_keys import AgentKey, AgentKeys, AgentKeyUnreadableError
from valmi_agent_keys.value_sdk import ValueClients

START = 1_767_225_600.0
MINUTE, HOUR = 60.0, 3600.0


class Refusal(Exception):
    status_code = 401


class Stage:
    """A secret of numbered keys, its reader's calls, and a Control Plane that accepts some of the keys."""

    def __init__(self, **options):
        self.now = START
        self.reads = []
        self.values = []
        self.accepted = set()
        self.attempts = []
        self.is_readable = True
        self.previous_lags = False
        self.rotate()
        self.steady = 0.0
        self.sleeps = []
        self.keys = AgentKeys(
            "x", client=self, clock=lambda: self.now, steady=lambda: self.steady, sleep=self.sleep, **options
        )

    def sleep(self, seconds):
        self.sleeps.append(seconds)
        self.advance(seconds)

    def advance(self, seconds):
        self.now += seconds
        self.steady += seconds

    def get_secret_value(self, SecretId, VersionStage):
        self.reads.append(f"{'current' if VersionStage == 'AWSCURRENT' else 'previous'} {self.now - START:g}")
        if not self.is_readable:
            raise EndpointConnectionError(endpoint_url="https://aws")
        at = -1 if VersionStage == "AWSCURRENT" else -3 if self.previous_lags else -2
        if len(self.values) < -at:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "none"}}, "GetSecretValue")
        return {"SecretString": json.dumps(self.values[at])}

    def rotate(self, grace=24 * HOUR):
        key = f"agent_key_{len(self.values)}"
        expires = datetime.fromtimestamp(self.now + grace, timezone.utc).isoformat().replace("+00:00", "Z")
        previous = expires if self.values else ""
        self.values.append({"schemaVersion": "1", "VALMI_AGENT_KEY": key, "previousKeyExpiresAt": previous})
        self.accepted.add(key)

    def revoke(self, key):
        self.accepted.discard(f"agent_key_{key}")

    def call(self):
        def use(key):
            self.attempts.append(key.reveal())
            if key.reveal() not in self.accepted:
                raise Refusal
            return 200

        try:
            return self.keys.call(use)
        except Refusal:
            return 401

    def current(self):
        return self.keys.current().reveal()


def test_is_read_once_in_five_minutes_then_again():
    stage = Stage()
    assert stage.current() == "agent_key_0"
    stage.rotate()
    stage.advance(5 * MINUTE - 1)
    assert stage.current() == "agent_key_0"
    stage.advance(1)
    assert stage.current() == "agent_key_1"
    assert stage.reads == ["current 0", "current 300", "previous 300"]


def test_is_kept_while_secrets_manager_is_out_of_reach_which_is_asked_less_and_less_often():
    stage = Stage()
    stage.current()
    stage.is_readable = False
    for _ in range(3600):
        stage.advance(1)
        assert stage.current() == "agent_key_0"
    times = [float(read.split()[1]) for read in stage.reads]
    assert times[:7] == [0, 300, 310, 330, 370, 450, 530]
    status = stage.keys.status()
    assert (status.seen_at, status.works_until) == (START, START + 24 * HOUR)
    assert "EndpointConnectionError" in str(status.failure)
    stage.is_readable = True
    stage.rotate()
    stage.advance(80)
    assert stage.current() == "agent_key_1"
    assert stage.keys.status().failure is None


def test_without_a_first_key_asks_no_more_than_once_in_five_seconds():
    stage = Stage()
    stage.is_readable = False
    for _ in range(3):
        with pytest.raises(AgentKeyUnreadableError):
            stage.current()
    assert stage.reads == ["current 0", "current 5", "current 10"]


def test_a_refused_call_is_repeated_once_with_the_key_read_anew():
    stage = Stage()
    stage.call()
    stage.rotate(grace=0)
    stage.revoke(0)
    stage.advance(2)
    assert stage.call() == 200
    assert stage.attempts == ["agent_key_0", "agent_key_0", "agent_key_1"]
    assert stage.reads == ["current 0", "current 5"]


def test_falls_back_on_the_previous_key_and_goes_on_with_it_until_the_next_read():
    stage = Stage()
    stage.rotate()
    stage.revoke(1)
    assert [stage.call(), stage.call()] == [200, 200]
    assert stage.attempts == ["agent_key_1", "agent_key_0", "agent_key_0"]
    stage.accepted.add("agent_key_1")
    stage.advance(5 * MINUTE)
    stage.call()
    assert stage.attempts[-1] == "agent_key_1"


def test_does_not_try_the_previous_key_after_its_grace_period():
    stage = Stage()
    stage.rotate()
    stage.revoke(1)
    stage.call()
    stage.advance(24 * HOUR)
    stage.attempts.clear()
    assert stage.call() == 401
    assert stage.attempts == ["agent_key_1"]


def test_has_the_previous_key_at_hand_while_secrets_manager_is_out_of_reach():
    stage = Stage()
    stage.rotate()
    stage.call()
    stage.is_readable = False
    stage.revoke(1)
    assert stage.call() == 200


def test_reads_the_previous_key_again_that_a_lagging_read_showed():
    stage = Stage()
    stage.rotate(grace=0)
    stage.rotate()
    stage.previous_lags = True
    stage.call()
    stage.previous_lags = False
    stage.revoke(0)
    stage.revoke(2)
    assert stage.call() == 200
    assert stage.attempts[-1] == "agent_key_1"


def test_gives_the_refusal_back_after_one_read_in_five_seconds_at_the_most():
    stage = Stage()
    stage.call()
    stage.revoke(0)
    assert [stage.call() for _ in range(5)] == [401] * 5
    assert stage.reads == [f"current {5 * read}" for read in range(6)]


def test_other_failures_are_passed_on_and_not_repeated():
    stage = Stage()
    calls = []

    def use(key):
        calls.append(key)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stage.keys.call(use)
    assert len(calls) == 1


def test_threads_share_one_read():
    stage = Stage()
    entered, go = threading.Event(), threading.Event()
    read = stage.get_secret_value

    def slow_read(**labels):
        entered.set()
        assert go.wait(10)
        return read(**labels)

    stage.get_secret_value = slow_read
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(stage.current())) for _ in range(20)]
    for thread in threads:
        thread.start()
    assert entered.wait(10)
    go.set()
    for thread in threads:
        thread.join(10)
    assert seen == ["agent_key_0"] * 20
    assert stage.reads == ["current 0"]


def test_a_key_shows_its_fingerprint_only():
    key = AgentKey("agent_abc123xyz")
    for shown in (str(key), repr(key), f"{key}", f"{[key]}", json.dumps({"key": key}, default=str)):
        assert "abc123xyz" not in shown
        assert key.fingerprint in shown
    with pytest.raises(TypeError):
        pickle.dumps(key)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("agent_abc123xyz", "not a JSON object"),
        ('{"schemaVersion": "1", "key": "agent_abc123xyz"}', "VALMI_AGENT_KEY"),
        ('{"schemaVersion": "2", "VALMI_AGENT_KEY": "agent_abc123xyz"}', "schemaVersion"),
        ('{"schemaVersion": "1", "VALMI_AGENT_KEY": "agent_abc123xyz", "previousKeyExpiresAt": "x"}', "ExpiresAt"),
    ],
)
def test_an_unreadable_value_is_not_shown(value, reason):
    stage = Stage()
    stage.get_secret_value = lambda **_: {"SecretString": value}
    with pytest.raises(AgentKeyUnreadableError, match=reason) as caught:
        stage.current()
    assert "abc123xyz" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__context__ is None


STORED_VALUES = json.loads((Path(__file__).parent / "stored-values.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("each", STORED_VALUES, ids=[each["case"] for each in STORED_VALUES])
def test_a_value_is_judged_as_the_typescript_library_judges_it(each):
    stage = Stage()
    stage.get_secret_value = lambda **_: {"SecretString": each["value"]}
    if "key" not in each:
        with pytest.raises(AgentKeyUnreadableError, match=each["reason"]):
            stage.current()
        return
    assert stage.current() == each["key"]
    assert stage.keys._held.previous_expires_at * 1000 == each.get("previousKeyExpiresAtMs", 0)


def test_a_clock_that_is_set_back_makes_no_call_wait_for_longer_and_keeps_no_key_for_longer():
    stage = Stage()
    stage.call()
    stage.now -= 5 * HOUR
    stage.rotate(grace=0)
    stage.revoke(0)
    assert stage.call() == 200
    assert stage.sleeps == [5]
    stage.rotate()
    stage.advance(5 * MINUTE)
    assert stage.current() == "agent_key_2"


def test_the_time_in_which_a_function_is_frozen_counts():
    stage = Stage()
    stage.current()
    stage.rotate()
    stage.now += 10 * MINUTE
    assert stage.current() == "agent_key_1"


def test_a_coroutine_is_awaited_and_its_refusal_seen():
    stage = Stage()
    stage.call()
    stage.rotate(grace=0)
    stage.revoke(0)
    used = []

    async def use(key):
        await asyncio.sleep(0)
        used.append(key.reveal())
        if key.reveal() not in stage.accepted:
            raise Refusal
        return 200

    assert asyncio.run(stage.keys.call_async(use)) == 200
    assert used == ["agent_key_0", "agent_key_1"]


def test_other_tasks_go_on_while_a_read_is_waited_for():
    stage = Stage()
    go = threading.Event()
    read = stage.get_secret_value

    def slow_read(**labels):
        assert go.wait(10)
        return read(**labels)

    stage.get_secret_value = slow_read

    async def others():
        go.set()

    async def main():
        return (await asyncio.gather(stage.keys.current_async(), others()))[0].reveal()

    assert asyncio.run(main()) == "agent_key_0"


def test_a_coroutine_is_refused_where_it_could_not_be_repeated():
    stage = Stage()

    async def use(key):
        return 200

    with pytest.raises(TypeError, match="call_async"):
        stage.keys.call(use)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_while_another_thread_reads_hangs_nothing():
    stage = Stage()
    entered, go = threading.Event(), threading.Event()
    read = stage.get_secret_value

    def slow_read(**labels):
        entered.set()
        assert go.wait(30)
        return read(**labels)

    stage.get_secret_value = slow_read
    thread = threading.Thread(target=stage.current)
    thread.start()
    assert entered.wait(10)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        stage.get_secret_value = read
        os.write(writer, stage.current().encode())
        os._exit(0)
    os.close(writer)
    told = os.read(reader, 100) if select.select([reader], [], [], 10)[0] else b"it hangs"
    if told == b"it hangs":
        os.kill(pid, 9)
    os.waitpid(pid, 0)
    go.set()
    thread.join(10)
    assert told == b"agent_key_0"


def test_one_thread_asks_for_another_client_and_the_others_go_on():
    stage = Stage()
    asking, go = threading.Event(), threading.Event()
    made = []

    def initialize(agent_secret):
        if made:
            asking.set()
            assert go.wait(10)
        made.append(agent_secret)
        return agent_secret

    clients = ValueClients(stage.keys, initialize, clock=lambda: stage.now, steady=lambda: stage.steady)
    assert clients.current() == "agent_key_0"
    stage.rotate()
    stage.advance(5 * MINUTE)
    thread = threading.Thread(target=clients.current)
    thread.start()
    assert asking.wait(10)
    assert clients.current() == "agent_key_0"
    go.set()
    thread.join(10)
    assert clients.current() == "agent_key_1"
    assert made == ["agent_key_0", "agent_key_1"]


@pytest.mark.parametrize(
    ("secret_id", "variables", "region"),
    [
        ("arn:aws:secretsmanager:eu-west-1:111111111111:secret:x-AbCdEf", {"AWS_REGION": "us-east-1"}, "eu-west-1"),
        ("x", {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-2"}, "us-east-1"),
        ("x", {"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-east-2"}, "us-east-2"),
        ("x", {"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, None),
    ],
)
def test_the_region(secret_id, variables, region, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if region is None:
        with pytest.raises(AgentKeyUnreadableError, match="no AWS region is known"):
            AgentKeys(secret_id)
    else:
        assert AgentKeys(secret_id)._client.meta.region_name == region
