"""What this service is told by its environment: every service's settings, and how often retention looks."""

from guard.settings import Settings as GuardSettings


class Settings(GuardSettings):
    """Read by `guard.process` from KONCI_*; never a secret."""

    service: str = "tenant_data"
    retention_every_seconds: float = 3600.0
