"""Pure: node state -> Envoy resources as plain dicts in protobuf JSON form."""
