"""Container images inside of an artifact: pulled from their registries, checked, and packed."""
