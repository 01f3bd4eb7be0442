"""The state folder of us-east, the registrar of `acme.mesh`, with the federation key in it."""

from pathlib import Path

from federation.config import Folder, Own
from federation.files import write_private
from federation.model.ledger import Ledger
from federation.model.names import MemberName
from federation.registrar.ledger import decode_ledger, encode_ledger, read_ledger
from tests.worlds.acme import DOMAIN, Acme


def registrar_folder(path: Path, acme: Acme) -> Folder:
    """The folder, with the ledger as it is now."""
    folder, name = Folder(path), MemberName("us-east")
    folder.create(
        Own(name=name, domain=DOMAIN, federation=acme.fingerprint, region=name, az="a", clusterset="10.100.0.0/16")
    )
    write_private(folder.federation_key, acme.key_pem.encode())
    write_private(folder.ledger, encode_ledger(acme.signed))
    return folder


def ledger_of(folder: Folder) -> Ledger:
    """The ledger in this folder, read to its end."""
    return read_ledger(decode_ledger(folder.ledger_bytes()), folder.own().federation)
