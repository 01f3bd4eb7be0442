"""Errors that a person or a peer is meant to read: one line, a code, whose fault it is."""


class IsthmusError(Exception):
    """Base of every expected failure. `code` is stable (log, metric label, status); `text` is one line."""

    code = "E000"

    def __init__(self, text: str, code: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


class InputError(IsthmusError):
    """The user's input is at fault: a flag, a manifest, a file. The CLI exits with status 2."""

    code = "E125"


class Refused(IsthmusError):
    """A peer's statement breaks a rule (design section 5); its last good state stays in force."""


class Unavailable(IsthmusError):
    """Something we depend on does not answer now; the caller retries with back-off."""

    code = "E190"
