"""Part of the tests; see docs/architecture.md, section Tests."""
