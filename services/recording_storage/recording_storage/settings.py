"""What this service is told by its environment: every service's settings, its zones and its pace. Never a secret."""

from guard.settings import Settings as GuardSettings


class Settings(GuardSettings):
    """Read by `guard.process` from KONCI_*; never a secret."""

    service: str = "recording_storage"
