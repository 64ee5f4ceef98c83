"""Customised VMware Photon OS images from a declarative spec."""

__version__ = "0.1.0"
