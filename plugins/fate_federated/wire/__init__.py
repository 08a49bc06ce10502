"""Between what travels (protobuf) and what the code works with (dataclasses, arrays)."""
