"""Writing an image to a card or a stick, so that it cannot be the wrong one, and proving it."""
