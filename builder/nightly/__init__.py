"""Many specs, night after night: what changed is built, what is good stays, one step publishes.

The folder of builds is described in :mod:`builder.nightly.folder`, a run in
:mod:`builder.nightly.night`, and what it reports in :mod:`builder.nightly.record`.
"""
