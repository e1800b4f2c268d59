"""The only file that constructs. Read it top to bottom and you know the service."""

from fastapi import FastAPI

from guard.tls import Certificate
from tenant_data.settings import Settings


def app(settings: Settings, certificate: Certificate) -> FastAPI:
    raise NotImplementedError
