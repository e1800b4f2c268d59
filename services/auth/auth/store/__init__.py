"""Every SQL statement of this service, by noun: literal text, explicit columns, `client_id = $1` on tenant tables."""
