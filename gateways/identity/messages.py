"""The messages of the SPIFFE Workload API (SPIFFE_Workload_API.md, workload.proto), as bytes.

Their classes are made here, in a pool of their own: the names have no package, so that generated code in the default
pool would collide with any other library that speaks this protocol.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import json_format, struct_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from msgspec import Struct

from federation.model.errors import IsthmusError, Refused
from federation.model.tokens import TokenRequest, check_audiences

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


class Invalid(IsthmusError):
    """What the caller sent is not good."""

    code = "E125"


class Validation(Struct, frozen=True):
    """A JWT-SVID, and the audience that it must be for."""

    audience: str
    svid: str


def read_token_request(data: bytes | None) -> TokenRequest:
    """What a JWTSVIDRequest asks for; `identity` may be "". Invalid (E125) when it cannot be read or names no
    audience.
    """
    message = _read(_TOKEN_REQUEST, data)
    try:
        check_audiences(tuple(message.audience))
    except Refused as error:
        raise Invalid(error.text) from None
    return TokenRequest(message.spiffe_id, tuple(message.audience))


def read_validation(data: bytes | None) -> Validation:
    """What a ValidateJWTSVIDRequest holds. Invalid (E125) when it cannot be read."""
    message = _read(_VALIDATION_REQUEST, data)
    return Validation(message.audience, message.svid)


def tokens_message(svids: Iterable[tuple[str, str]]) -> bytes:
    """A JWTSVIDResponse of these tokens by SPIFFE ID."""
    message = _TOKENS()
    for spiffe_id, token in svids:
        message.svids.add(spiffe_id=spiffe_id, svid=token)
    return bytes(message.SerializeToString(deterministic=True))


def jwt_bundles_message(bundles: Mapping[str, bytes]) -> bytes:
    """A JWTBundlesResponse; JWK sets by trust domain id. Equal input gives equal bytes."""
    return bytes(_JWT_BUNDLES(bundles=bundles).SerializeToString(deterministic=True))


def validation_message(claims: dict[str, Any]) -> bytes:
    """A ValidateJWTSVIDResponse with these claims."""
    written = json_format.ParseDict(claims, struct_pb2.Struct()).SerializeToString(deterministic=True)
    return bytes(_VALIDATION(spiffe_id=claims["sub"], claims=written).SerializeToString(deterministic=True))


def _read(of: Any, data: bytes | None) -> Any:
    try:
        return of.FromString(data or b"")
    except DecodeError:
        raise Invalid("the request cannot be read") from None


def _field(number: int, name: str, kind: int, label: int = ONE, of: str = "") -> FieldDescriptorProto:
    made = FieldDescriptorProto(name=name, number=number, type=kind, label=label)  # type: ignore[arg-type]
    if of:
        made.type_name = of
    return made


def _bytes_by_name(name: str) -> DescriptorProto:
    entry = DescriptorProto(name=name, field=[_field(1, "key", STRING), _field(2, "value", BYTES)])
    entry.options.map_entry = True
    return entry


def _message(name: str, *fields: FieldDescriptorProto) -> DescriptorProto:
    return DescriptorProto(name=name, field=fields)


def _with_bundles(name: str, number: int, field: str, *fields: FieldDescriptorProto) -> DescriptorProto:
    """A message with a map of bundles by trust domain id."""
    entry = "".join(part.capitalize() for part in field.split("_")) + "Entry"
    of = f".{name}.{entry}"
    made = _message(name, *fields, _field(number, field, MESSAGE, MANY, of))
    made.nested_type.append(_bytes_by_name(entry))
    return made


def _classes() -> dict[str, Any]:
    """By name. `claims` is a google.protobuf.Struct, which on the wire is its bytes."""
    svid_id = _field(1, "spiffe_id", STRING)
    svid_fields = (
        svid_id,
        _field(2, "x509_svid", BYTES),
        _field(3, "x509_svid_key", BYTES),
        _field(4, "bundle", BYTES),
    )
    kinds = [
        _message("X509SVID", *svid_fields),
        _with_bundles("X509SVIDResponse", 3, "federated_bundles", _field(1, "svids", MESSAGE, MANY, ".X509SVID")),
        _with_bundles("X509BundlesResponse", 2, "bundles"),
        _message("JWTSVIDRequest", _field(1, "audience", STRING, MANY), _field(2, "spiffe_id", STRING)),
        _message("JWTSVID", svid_id, _field(2, "svid", STRING)),
        _message("JWTSVIDResponse", _field(1, "svids", MESSAGE, MANY, ".JWTSVID")),
        _with_bundles("JWTBundlesResponse", 1, "bundles"),
        _message("ValidateJWTSVIDRequest", _field(1, "audience", STRING), _field(2, "svid", STRING)),
        _message("ValidateJWTSVIDResponse", svid_id, _field(2, "claims", BYTES)),
    ]
    pool = DescriptorPool()
    pool.Add(FileDescriptorProto(name="workload.proto", syntax="proto3", message_type=kinds))
    return {kind.name: GetMessageClass(pool.FindMessageTypeByName(kind.name)) for kind in kinds}


_CLASSES = _classes()
_SVIDS, _BUNDLES = _CLASSES["X509SVIDResponse"], _CLASSES["X509BundlesResponse"]
_TOKEN_REQUEST, _TOKENS = _CLASSES["JWTSVIDRequest"], _CLASSES["JWTSVIDResponse"]
_JWT_BUNDLES = _CLASSES["JWTBundlesResponse"]
_VALIDATION_REQUEST, _VALIDATION = _CLASSES["ValidateJWTSVIDRequest"], _CLASSES["ValidateJWTSVIDResponse"]
