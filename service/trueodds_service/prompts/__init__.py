"""Question → prompt → token ids; option tokens found and checked."""
