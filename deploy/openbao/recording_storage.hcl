# The service recording_storage: its certificate, its database users, the keys of its clients.
# It cannot delete or export a key, and reaches no other service's mount, user or certificate (02.3, 04.3).

# The common name is pinned: PostgreSQL's superuser map and Kafka's principals go by it, and the PKI role checks names only.
path "pki/issue/recording_storage" {
  capabilities        = ["create", "update"]
  required_parameters = ["common_name"]
  allowed_parameters  = { "common_name" = ["recording_storage"], "*" = [] }
}
path "database/creds/recording_storage-request" { capabilities = ["read"] }
path "database/creds/recording_storage-job" { capabilities = ["read"] }
path "kv/data/recording_storage/*" { capabilities = ["read"] }

# One key per client; named by the client's id.
path "transit/recording_storage/keys/+" {
  capabilities      = ["create", "read", "update"]
  denied_parameters = { "exportable" = [], "allow_plaintext_backup" = [], "derived" = [], "type" = [] }
}
path "transit/recording_storage/datakey/plaintext/+" { capabilities = ["create", "update"] }
path "transit/recording_storage/decrypt/+" { capabilities = ["create", "update"] }
path "transit/recording_storage/rewrap/+" { capabilities = ["create", "update"] }
