"""What a service is told by its environment: names, paths and ports, never a secret (02.4)."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read once, by `guard.process`, from `KONCI_*`; a service adds its own fields in a subclass."""

    model_config = SettingsConfigDict(env_prefix="KONCI_", frozen=True, extra="ignore")

    service: str
    identity: Path  # folder of identity.pem (0600: key, certificate, intermediate) and ca.pem
    listen_host: str = "127.0.0.1"
    listen_port: int
    vault: str  # https://host:port
    database_host: str = "127.0.0.1"
    database_port: int
    database_name: str
    kafka: str  # host:port of the brokers
    auth: str  # https://host:port of the auth service
    issuer: str = "https://localhost:8443"
    audience: str = "konci"
    traces: Path | None = None  # folder for spans when no collector is named
    otlp: str | None = None
    key_cache_seconds: float = 60.0
