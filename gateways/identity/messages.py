"""The messages of the SPIFFE Workload API that we send (SPIFFE_Workload_API.md, workload.proto), as bytes.

Their classes are made here, in a pool of their own: the names have no package, so that generated code in the default
pool would collide with any other library that speaks this protocol.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from msgspec import Struct

STRING, BYTES, MESSAGE = (
    FieldDescriptorProto.TYPE_STRING,
    FieldDescriptorProto.TYPE_BYTES,
    FieldDescriptorProto.TYPE_MESSAGE,
)
ONE, MANY = FieldDescriptorProto.LABEL_OPTIONAL, FieldDescriptorProto.LABEL_REPEATED


class Svid(Struct, frozen=True):
    """One X509-SVID: chain, PKCS #8 key and the bundle of its own trust domain, each DER."""

    spiffe_id: str
    chain: bytes
    key: bytes
    bundle: bytes


def svids_message(svids: Iterable[Svid], federated: Mapping[str, bytes]) -> bytes:
    """An X509SVIDResponse; `federated` are bundles by trust domain id. Equal input gives equal bytes."""
    message = _SVIDS(federated_bundles=federated)
    for svid in svids:
        message.svids.add(spiffe_id=svid.spiffe_id, x509_svid=svid.chain, x509_svid_key=svid.key, bundle=svid.bundle)
    return bytes(message.SerializeToString(deterministic=True))


def bundles_message(bundles: Mapping[str, bytes]) -> bytes:
    """An X509BundlesResponse. Equal input gives equal bytes."""
    return bytes(_BUNDLES(bundles=bundles).SerializeToString(deterministic=True))


def _field(number: int, name: str, kind: int, label: int = ONE, of: str = "") -> FieldDescriptorProto:
    made = FieldDescriptorProto(name=name, number=number, type=kind, label=label)  # type: ignore[arg-type]
    if of:
        made.type_name = of
    return made


def _bytes_by_name(name: str) -> DescriptorProto:
    entry = DescriptorProto(name=name, field=[_field(1, "key", STRING), _field(2, "value", BYTES)])
    entry.options.map_entry = True
    return entry


def _classes() -> tuple[Any, Any]:
    svid = DescriptorProto(
        name="X509SVID",
        field=[
            _field(1, "spiffe_id", STRING),
            _field(2, "x509_svid", BYTES),
            _field(3, "x509_svid_key", BYTES),
            _field(4, "bundle", BYTES),
        ],
    )
    svids = DescriptorProto(
        name="X509SVIDResponse",
        field=[
            _field(1, "svids", MESSAGE, MANY, ".X509SVID"),
            _field(3, "federated_bundles", MESSAGE, MANY, ".X509SVIDResponse.FederatedBundlesEntry"),
        ],
        nested_type=[_bytes_by_name("FederatedBundlesEntry")],
    )
    bundles = DescriptorProto(
        name="X509BundlesResponse",
        field=[_field(2, "bundles", MESSAGE, MANY, ".X509BundlesResponse.BundlesEntry")],
        nested_type=[_bytes_by_name("BundlesEntry")],
    )
    pool = DescriptorPool()
    pool.Add(FileDescriptorProto(name="workload.proto", syntax="proto3", message_type=[svid, svids, bundles]))
    made = [GetMessageClass(pool.FindMessageTypeByName(name)) for name in ("X509SVIDResponse", "X509BundlesResponse")]
    return made[0], made[1]


_SVIDS, _BUNDLES = _classes()
