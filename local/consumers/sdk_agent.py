"""An agent that uses Valmi's Python SDK by `ValueClients`, with the defaults. It goes by the clock of the local services."""

import json
import os
import signal
import time
import urllib.request

from valmi_agent_keys import AgentKey, AgentKeys
from valmi_agent_keys.value_sdk import ValueClients

PAUSE_SECONDS = 0.1
CLOCK_URL = os.environ["AWS_ENDPOINT_URL_SECRETS_MANAGER"] + "/_local/clock"

ahead = 0.0
is_ending = False


def clock():
    return time.time() + ahead


def end(*_):
    global is_ending
    is_ending = True


signal.signal(signal.SIGTERM, end)
keys = AgentKeys(os.environ["SECRET_ID"], clock=clock)
clients = ValueClients(keys, service_name="support", clock=clock)
while not is_ending:
    with urllib.request.urlopen(CLOCK_URL, timeout=10) as answer:
        ahead = json.load(answer)["now"] / 1000 - time.time()
    used = ""
    try:
        client = clients.current()
        used = AgentKey(client.secret).fingerprint
        client.api_client.get_agent_info()
        with client.action_context(user_id="u1", anonymous_id="a1") as context:
            context.send(action_name="answered")
        ok = True
    except Exception:
        ok = False
    print(json.dumps({"ok": ok, "key": used}), flush=True)
    time.sleep(PAUSE_SECONDS)
