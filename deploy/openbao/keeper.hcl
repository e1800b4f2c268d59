# The keeper renews the certificates of servers that cannot do it themselves, and its own; it makes no key and unwraps none.

# The common name is pinned: PostgreSQL's superuser map and Kafka's principals go by it, and the PKI role checks names only.
path "pki/issue/keeper" {
  capabilities        = ["create", "update"]
  required_parameters = ["common_name"]
  allowed_parameters  = { "common_name" = ["keeper"], "*" = [] }
}
path "pki/issue/gateway" {
  capabilities        = ["create", "update"]
  required_parameters = ["common_name"]
  allowed_parameters  = { "common_name" = ["gateway"], "*" = [] }
}
path "pki/issue/postgres" {
  capabilities        = ["create", "update"]
  required_parameters = ["common_name"]
  allowed_parameters  = { "common_name" = ["postgres"], "*" = [] }
}
path "pki/issue/kafka" {
  capabilities        = ["create", "update"]
  required_parameters = ["common_name"]
  allowed_parameters  = { "common_name" = ["kafka"], "*" = [] }
}
path "pki/issue/openbao" {
  capabilities        = ["create", "update"]
  required_parameters = ["common_name"]
  allowed_parameters  = { "common_name" = ["openbao"], "*" = [] }
}
path "pki/issue/prometheus" {
  capabilities        = ["create", "update"]
  required_parameters = ["common_name"]
  allowed_parameters  = { "common_name" = ["prometheus"], "*" = [] }
}

# A PostgreSQL user that sees statistics (role pg_monitor) and no row of any service.
path "database/creds/keeper" { capabilities = ["read"] }
