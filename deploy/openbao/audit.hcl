# The service audit: its certificate, its database users, the keys of its clients.
# It cannot delete or export a key, and reaches no other service's mount, user or certificate (02.3, 04.3).

# The common name is pinned: PostgreSQL's superuser map and Kafka's principals go by it, and the PKI role checks names only.
path "pki/issue/audit" {
  capabilities        = ["create", "update"]
  required_parameters = ["common_name"]
  allowed_parameters  = { "common_name" = ["audit"], "*" = [] }
}
path "database/creds/audit-request" { capabilities = ["read"] }
path "database/creds/audit-job" { capabilities = ["read"] }
path "kv/data/audit/*" { capabilities = ["read"] }

# One key per client; named by the client's id.
path "transit/audit/keys/+" {
  capabilities      = ["create", "read", "update"]
  denied_parameters = { "exportable" = [], "allow_plaintext_backup" = [], "derived" = [], "type" = [] }
}
path "transit/audit/datakey/plaintext/+" { capabilities = ["create", "update"] }
path "transit/audit/decrypt/+" { capabilities = ["create", "update"] }
path "transit/audit/rewrap/+" { capabilities = ["create", "update"] }
