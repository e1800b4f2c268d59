"""Nothing of the stack: disks that can be full, and a real S3 server."""

import pytest


@pytest.fixture
def wounds():
    return []
