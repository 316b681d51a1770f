"""What breaks in production, broken on purpose. Run by `make chaos`; see docs/reliability.md."""
