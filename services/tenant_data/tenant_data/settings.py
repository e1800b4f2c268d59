"""Settings of this service: what every service has, and how often retention looks. Never a secret."""

from guard import settings


class Settings(settings.Settings):
    """Read from the environment, prefix KONCI_."""

    service: str = "tenant_data"
    retention_every_seconds: float = 3600.0
