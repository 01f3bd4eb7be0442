"""The messages of etcd's v3 API that we use (etcd api/etcdserverpb/rpc.proto, mvccpb/kv.proto), by field number.

Made in a descriptor pool of their own: generated stubs of another package in the same process do not collide.
"""

from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE = "isthmus.etcd"
_SCALARS = {
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "string": FieldDescriptorProto.TYPE_STRING,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
    "bool": FieldDescriptorProto.TYPE_BOOL,
}
# field: number and type; a leading * is repeated, ? one of the message's only oneof. Enums travel as integers.
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "Header": {"cluster_id": (1, "uint64"), "revision": (3, "int64")},
    "KeyValue": {"key": (1, "bytes"), "create_revision": (2, "int64"), "value": (5, "bytes")},
    "RangeRequest": {"key": (1, "bytes"), "range_end": (2, "bytes")},
    "RangeResponse": {"header": (1, "Header"), "kvs": (2, "*KeyValue")},
    "PutRequest": {"key": (1, "bytes"), "value": (2, "bytes"), "lease": (3, "int64")},
    "DeleteRangeRequest": {"key": (1, "bytes")},
    "RequestOp": {
        "request_range": (1, "?RangeRequest"),
        "request_put": (2, "?PutRequest"),
        "request_delete_range": (3, "?DeleteRangeRequest"),
    },
    "ResponseOp": {"response_range": (1, "?RangeResponse")},
    "Compare": {
        "result": (1, "int64"),
        "target": (2, "int64"),
        "key": (3, "bytes"),
        "create_revision": (5, "?int64"),
        "value": (7, "?bytes"),
    },
    "TxnRequest": {"compare": (1, "*Compare"), "success": (2, "*RequestOp"), "failure": (3, "*RequestOp")},
    "TxnResponse": {"header": (1, "Header"), "succeeded": (2, "bool"), "responses": (3, "*ResponseOp")},
    "LeaseGrantRequest": {"TTL": (1, "int64")},
    "LeaseGrantResponse": {"header": (1, "Header"), "ID": (2, "int64"), "TTL": (3, "int64")},
    "LeaseKeepAliveRequest": {"ID": (1, "int64")},
    "LeaseKeepAliveResponse": {"header": (1, "Header"), "TTL": (3, "int64")},
    "LeaseRevokeRequest": {"ID": (1, "int64")},
    "LeaseRevokeResponse": {"header": (1, "Header")},
    "AuthenticateRequest": {"name": (1, "string"), "password": (2, "string")},
    "AuthenticateResponse": {"header": (1, "Header"), "token": (2, "string")},
}


def _described() -> FileDescriptorProto:
    file = FileDescriptorProto(name="isthmus/etcd.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            bare = kind.lstrip("*?")
            made = message.field.add(name=field, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
            if kind.startswith("*"):
                made.label = FieldDescriptorProto.LABEL_REPEATED
            if kind.startswith("?"):
                made.oneof_index = 0
            if bare in _SCALARS:
                made.type = _SCALARS[bare]
            else:
                made.type, made.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{_PACKAGE}.{bare}"
        if any(kind.startswith("?") for _, kind in fields.values()):
            message.oneof_decl.add(name="one")
    return file


_pool = DescriptorPool()
_pool.AddSerializedFile(_described().SerializeToString())


def message(name: str) -> Any:
    """The class of the message with this name."""
    return GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
