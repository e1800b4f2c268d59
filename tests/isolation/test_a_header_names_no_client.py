"""03.4, 04.1: behind the gateway, which strips such headers, a service still takes the client from the token alone.

Through the gateway this is `test_forged_token.py`; here the gateway's own certificate brings the header, as a gateway
that was misled would.
"""

import pytest

from support.hotel import Hotel
from support.machine import Machine
from support.workload import workload

NAMES = ("x-client-id", "x_client_id", "client-id", "x-tenant-id", "x-user-id", "x-jwt-payload", "x-konci-client")


@pytest.mark.parametrize("name", NAMES)
async def test_behind_the_gateway(stack: Machine, otter: Hotel, heron: Hotel, name: str) -> None:
    theirs, ours = heron.guest()["id"], otter.guest()["id"]
    headers = {
        "Authorization": f"Bearer {otter.agent.token}",
        "x-envoy-external-address": "127.0.0.1",
        name: str(heron.client_id),
    }
    async with workload(stack, "gateway", "tenant_data", headers=headers) as http:
        assert (await http.get(f"/v1/guests/{theirs}")).status_code == 404
        assert (await http.get(f"/v1/guests/{ours}")).status_code == 200  # the control
