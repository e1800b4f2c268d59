"""`python -m tenant_data serve | migrate`."""
