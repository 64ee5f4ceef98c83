"""The tests; see docs/architecture.md, section Tests."""
