"""Applies changes to a tree: the one place that knows what a change means.

Runs wherever a plan is applied: in the builder, and in a system that has just been installed. So it
is written for Python 3.7 (that of Photon 3.0) with the standard library alone, and imports nothing
from outside this folder; ``tests/unit/engine/test_python.py`` holds both with foreign judges.
"""
