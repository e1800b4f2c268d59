# The bootstrap identity (certificate signed by the root on this machine): brings OpenBao's configuration to what this
# folder says, at every `up`. It holds no right to unwrap a key or to make a database user; but who can issue any certificate
# and write any policy can give itself both: this is the root of the stack, a 0600 file, and production keeps it offline.

path "sys/mounts"                                   { capabilities = ["read"] }
path "sys/mounts/*"                                 { capabilities = ["create", "read", "update"] }
path "sys/policies/acl/*"                           { capabilities = ["create", "read", "update"] }
path "sys/config/auditing/request-headers/*"        { capabilities = ["create", "read", "update", "sudo"] }
path "auth/cert/config"                             { capabilities = ["create", "read", "update"] }
path "auth/cert/certs/*"                            { capabilities = ["create", "read", "update"] }

# The emergency brake: whoever can stop the process may seal it; only a restart of it undoes that.
path "sys/seal"                                     { capabilities = ["update", "sudo"] }

# Evidence that no root token lives.
path "auth/token/accessors"                         { capabilities = ["list", "sudo"] }
path "auth/token/accessors/"                        { capabilities = ["list", "sudo"] }
path "auth/token/lookup-accessor"                   { capabilities = ["create", "update"] }

path "pki/intermediate/generate/internal"           { capabilities = ["create", "update"] }
path "pki/intermediate/set-signed"                  { capabilities = ["create", "update"] }
path "pki/config/issuers"                           { capabilities = ["create", "read", "update"] }
path "pki/issuer/+"                                 { capabilities = ["read"] }
path "pki/issuers"                                  { capabilities = ["list"] }
path "pki/issuers/"                                 { capabilities = ["list"] }
path "pki/roles/*"                                  { capabilities = ["create", "read", "update"] }
path "pki/issue/*"                                  { capabilities = ["create", "update"] }
path "pki/revoke"                                   { capabilities = ["create", "update"] }

path "database/config/postgres"                     { capabilities = ["create", "read", "update"] }
path "database/rotate-root/postgres"                { capabilities = ["create", "update"] }
path "database/roles/*"                             { capabilities = ["create", "read", "update"] }

path "transit/auth/keys/token-signing"              { capabilities = ["create", "read", "update"] }

# Created once with check-and-set; never overwritten.
path "kv/data/+/seal"                               { capabilities = ["create", "read"] }
path "kv/data/auth/email-index"                     { capabilities = ["create", "read"] }
