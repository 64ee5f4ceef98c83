"""Rules of compose projects, one module an area."""
