"""Every SQL statement of this service, by noun. Literal text, explicit columns, `client_id = $1` in each tenant statement."""
