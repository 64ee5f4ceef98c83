"""Texts of a guest edited: text in, text out, and nothing of where it lies."""
