# The migrator: for ten minutes the owner of a service's tables. No running service holds this identity (04.3).

path "database/creds/auth-migrate" { capabilities = ["read"] }
path "database/creds/tenant_data-migrate" { capabilities = ["read"] }
path "database/creds/audit-migrate" { capabilities = ["read"] }
path "database/creds/recording_storage-migrate" { capabilities = ["read"] }
