"""Settings of this service: what every service has, and how guesses and keys are handled. Never a secret."""

from pydantic import Field

from guard import settings


class Settings(settings.Settings):
    """Read from the environment, prefix KONCI_."""

    service: str = "auth"
    openapi_of: str = ""  # addresses of the other services' documents, separated by commas
    key_grace_seconds: float = Field(default=120.0, ge=10)  # a new signing key is published so long before it signs
    attempts_per_address: int = Field(default=100, ge=1)  # wrong passwords in 15 minutes; four times for a network
