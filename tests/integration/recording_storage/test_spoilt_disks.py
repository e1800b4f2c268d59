"""Runs spoilt_disks.py in a mount namespace of its own, also for a user who may not mount."""

import os
import subprocess
import sys
from pathlib import Path


def test_a_zone_whose_disk_is_full_or_read_only_or_gone():
    namespace = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    checks = Path(__file__).with_name("spoilt_disks.py")
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(checks)]
    done = subprocess.run([*namespace, *pytest], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
