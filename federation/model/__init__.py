"""The vocabulary: frozen, typed values; standard library and msgspec only."""
