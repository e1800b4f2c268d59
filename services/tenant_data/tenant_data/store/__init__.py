"""Every SQL statement of this service. Literal text, explicit columns, `client_id = $1` in each (03.2, invariant 2).

A row comes with the key of its subject, joined in the same statement: a row whose key was forgotten is not there.
What a statement returned or changed is noted beside it, so that no route can forget it (04.4).
"""
