"""What audit is told by its environment: every service's settings, and where OpenBao writes its own audit log."""

from pathlib import Path

from guard.settings import Settings as GuardSettings


class Settings(GuardSettings):
    """`KONCI_VAULT_AUDIT_LOG` is needed by `collect` only."""

    service: str = "audit"
    vault_audit_log: Path | None = None
