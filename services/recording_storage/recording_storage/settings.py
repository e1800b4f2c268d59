"""What this service is told by its environment: every service's settings, its zones and its pace. Never a secret."""

from datetime import timedelta
from pathlib import Path

from guard.settings import Settings as GuardSettings


class Settings(GuardSettings):
    """Read by `guard.process` from KONCI_*; never a secret. What opens a bucket is in OpenBao, `kv/…/zones`."""

    service: str = "recording_storage"
    tenant_data: str  # https://host:port of the service that knows the calls
    zone_a: str  # a folder, or a bucket as https://host[:port]/bucket
    zone_b: str
    zone_region: str = "us-east-1"
    zone_ca: Path | None = None  # the roots that a bucket's certificate is held against, instead of the machine's
    zone_seconds: float = 5.0  # for one call to a zone
    sweep_every_seconds: float = 10.0
    upload_silent_seconds: float = 60.0  # without a heartbeat, and an upload's process counts as killed
    compare_every_seconds: float = 3600.0  # both zones with the database, and what is kept with tenant_data's deletions
    scrub_every_days: float = 7.0  # each object of both zones is read and authenticated
    scrub_bytes_per_second: float = 8.0 * 2**20  # of both zones together, at most: 4.8 TB in seven days
    snapshots_kept_hours: float = 48.0  # of OpenBao (DESIGN 4.7)
    backups_kept_days: float = 30.0  # of the databases

    def copies_kept(self) -> timedelta:
        """How long after its deletion a key's row may still be in a backup or a snapshot."""
        return max(timedelta(hours=self.snapshots_kept_hours), timedelta(days=self.backups_kept_days))
