"""What `cryptography` raises over bytes that others sent as a certificate, a request or a key."""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""Extensions, names, times and keys are parsed when they are first looked at, not when the certificate is loaded."""
