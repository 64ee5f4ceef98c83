"""Codecs for the file formats of the field; none of them knows Photon, plans or roots."""
