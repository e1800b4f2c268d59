# The service auth: its certificate, its database users, the keys of its clients, and the signature under tokens.
# It cannot delete or export a key, and reaches no other service's mount, user or certificate (02.3, 04.3).

# The common name is pinned: PostgreSQL's superuser map and Kafka's principals go by it, and the PKI role checks names only.
path "pki/issue/auth" {
  capabilities        = ["create", "update"]
  required_parameters = ["common_name"]
  allowed_parameters  = { "common_name" = ["auth"], "*" = [] }
}
path "database/creds/auth-request" { capabilities = ["read"] }
path "database/creds/auth-job" { capabilities = ["read"] }
path "kv/data/auth/*" { capabilities = ["read"] }

# One key per client; named by the client's id.
path "transit/auth/keys/+" {
  capabilities      = ["create", "read", "update"]
  denied_parameters = { "exportable" = [], "allow_plaintext_backup" = [], "derived" = [], "type" = [] }
}
path "transit/auth/datakey/plaintext/+" { capabilities = ["create", "update"] }
path "transit/auth/decrypt/+" { capabilities = ["create", "update"] }
path "transit/auth/rewrap/+" { capabilities = ["create", "update"] }

# More exact than keys/+ above: this one key is the bootstrap's to make, and only its public half is read here.
path "transit/auth/keys/token-signing" { capabilities = ["read"] }
path "transit/auth/sign/token-signing" { capabilities = ["create", "update"] }
