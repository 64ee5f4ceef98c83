"""What the installer runs in the system it has just installed: Python of the guest, not of here.

These modules travel in the payload. They run with the guest's own Python, 3.7 and newer, and
with its standard library alone; nothing else of this project is there. Each does to a mounted
tree what :mod:`builder.carriers.lower` works out for a tree that is only read: the tests hold
the two together. Python, because every Photon has it (cloud-init needs it), and neither tar
nor awk.
"""
