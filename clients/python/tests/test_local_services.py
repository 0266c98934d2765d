"""The library and Valmi's SDK against the local Secrets Manager and Control Plane, which `npm run test:python` starts."""

import json
import os
import re
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path

import boto3
import httpx
import pytest

from valmi_agent_keys import AgentKeys
from valmi_agent_keys.value_sdk import ValueClients

URL = os.environ.get("TEST_CONTROL_PLANE_URL", "")
pytestmark = pytest.mark.skipif(not URL, reason="npm run test:python starts the services")
NOW = datetime.now(timezone.utc)


class Instance:
    """An agent instance at the Control Plane, and its secret."""

    def __init__(self, name, secret_id=None):
        self.secret_id = secret_id or f"valmi/test/{name}/agent-key"
        self.client = boto3.client("secretsmanager")
        answer = self._post("/agent_instance/create", {"name": name, "agent_type_id": "at_support"})
        self.id = answer["id"]
        self.client.create_secret(Name=self.secret_id, SecretString=self._value(answer["secret"], ""))
        self.clock = NOW.timestamp()

    def rotate(self):
        key = self._post(f"/agent_instance/{self.id}/refresh", {})["secret"]
        expires = (NOW + timedelta(hours=24)).isoformat().replace("+00:00", "Z")
        self.client.put_secret_value(SecretId=self.secret_id, SecretString=self._value(key, expires))

    def keys(self):
        return AgentKeys(self.secret_id, clock=lambda: self.clock, sleep=self.sleep)

    def sleep(self, seconds):
        self.clock += seconds

    def _value(self, key, expires):
        return json.dumps({"schemaVersion": "1", "VALMI_AGENT_KEY": key, "previousKeyExpiresAt": expires})

    @staticmethod
    def _post(path, body):
        headers = {"api-key": os.environ["TEST_API_KEY"], "content-type": "application/json"}
        request = urllib.request.Request(URL + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)


def move_control_plane(hours):
    body = json.dumps({"advanceMs": hours * 3_600_000}).encode()
    root = URL.removesuffix("/api/v1")
    urllib.request.urlopen(urllib.request.Request(f"{root}/_local/clock", body), timeout=10).close()


def info(key):
    return httpx.get(f"{URL}/agent_instance/info", headers={"X-Agent-Secret": key.reveal()})


def test_ten_rotations_without_a_failed_call():
    instance = Instance("ten-rotations")
    keys = instance.keys()
    statuses, used = [], set()
    for _ in range(10):
        for _ in range(3):
            statuses.append(keys.call(info).status_code)
            used.add(keys.current().fingerprint)
            instance.sleep(120)
        instance.rotate()
        # Past the old key's grace period, while the agent believes that seconds went by: it learns by the refusal.
        move_control_plane(25)
    statuses.append(keys.call(info).status_code)
    used.add(keys.current().fingerprint)
    print(f"{len(statuses)} calls, {sum(status != 200 for status in statuses)} failed, {len(used)} keys")
    assert set(statuses) == {200}
    assert len(used) == 11


def test_valmis_sdk_is_initialised_again_with_each_new_key(caplog, capfd):
    instance = Instance("sdk")
    clients = ValueClients(instance.keys(), service_name="support")
    first = clients.current()
    assert clients.current() is first
    assert first.agent_id == instance.id
    secrets = [first.secret]
    for _ in range(2):
        instance.rotate()
        instance.sleep(300)
        client = clients.current()
        assert client.agent_id == instance.id
        with client.action_context(user_id="u1", anonymous_id="a1") as context:
            context.send(action_name="answered")
        secrets.append(client.secret)
    assert len(set(secrets)) == 3
    shown = caplog.text + "".join(capfd.readouterr())
    assert not any(secret in shown for secret in secrets)


def test_the_sdk_is_initialised_though_the_first_key_read_is_refused():
    instance = Instance("refused")
    keys = instance.keys()
    keys.current()
    instance.rotate()
    move_control_plane(25)
    assert ValueClients(keys).current().agent_id == instance.id


def test_the_old_client_serves_while_no_other_can_be_initialised():
    instance = Instance("unavailable")
    made = []

    def initialize(agent_secret):
        if len(made) == 1:
            made.append("failed")
            raise httpx.ConnectError("out of reach")
        made.append(agent_secret)
        return object()

    clients = ValueClients(instance.keys(), initialize, clock=lambda: instance.clock)
    first = clients.current()
    instance.rotate()
    instance.sleep(300)
    assert clients.current() is first
    assert clients.current() is first
    assert len(made) == 2
    instance.sleep(60)
    assert clients.current() is not first


def test_the_example_of_the_documentation():
    page = (Path(__file__).parents[3] / "docs/consumers.md").read_text()
    [example] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    secret_id = "valmi/production/support/agent-key"
    instance = Instance("example", secret_id)
    names = {}
    exec(example, names)
    assert names["clients"].current().agent_id == instance.id
