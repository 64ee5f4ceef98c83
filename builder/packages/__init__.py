"""Packages of an image: those that are installed, and those that a spec needs on top of them."""
