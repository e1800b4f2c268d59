# The service tenant_data: its certificate, its database users, the keys of its clients.
# It cannot delete or export a key, and reaches no other service's mount, user or certificate (02.3, 04.3).

# The common name is pinned: PostgreSQL's superuser map and Kafka's principals go by it, and the PKI role checks names only.
path "pki/issue/tenant_data" {
  capabilities        = ["create", "update"]
  required_parameters = ["common_name"]
  allowed_parameters  = { "common_name" = ["tenant_data"], "*" = [] }
}
path "database/creds/tenant_data-request" { capabilities = ["read"] }
path "database/creds/tenant_data-job" { capabilities = ["read"] }
path "kv/data/tenant_data/*" { capabilities = ["read"] }

# One key per client; named by the client's id.
path "transit/tenant_data/keys/+" {
  capabilities      = ["create", "read", "update"]
  denied_parameters = { "exportable" = [], "allow_plaintext_backup" = [], "derived" = [], "type" = [] }
}
path "transit/tenant_data/datakey/plaintext/+" { capabilities = ["create", "update"] }
path "transit/tenant_data/decrypt/+" { capabilities = ["create", "update"] }
path "transit/tenant_data/rewrap/+" { capabilities = ["create", "update"] }
