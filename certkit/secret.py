"""A value that must not be shown: it prints as ``***`` wherever it ends up."""

from __future__ import annotations


class Secret:
    """Wraps a password or passphrase so that no repr, log line or format string can show it.

    Equality is by value, hashing is refused, and pickling is refused so that it cannot leave
    the process by accident. Only `reveal` gives the text.
    """

    __slots__ = ("_value",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text; call it only where it is handed to the peer that needs it."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not pickled")
