"""Every SQL statement of this service. Literal text, explicit columns, `client_id = $1` in each (invariant 2)."""
