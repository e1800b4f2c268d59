# The keeper renews the certificates of servers that cannot do it themselves, and its own; it makes no key and unwraps none.

path "pki/issue/keeper" { capabilities = ["create", "update"] }
path "pki/issue/gateway" { capabilities = ["create", "update"] }
path "pki/issue/postgres" { capabilities = ["create", "update"] }
path "pki/issue/kafka" { capabilities = ["create", "update"] }
path "pki/issue/openbao" { capabilities = ["create", "update"] }
path "pki/issue/prometheus" { capabilities = ["create", "update"] }

# A PostgreSQL user that sees statistics (role pg_monitor) and no row of any service.
path "database/creds/keeper" { capabilities = ["read"] }
