"""Stream-optimized VMDKs, as OVAs carry them: read in place, changed by splicing, made anew."""

from builder.formats.vmdk.overlay import GrainOverlay
from builder.formats.vmdk.splice import Splice, splice
from builder.formats.vmdk.stream_optimized import StreamOptimized
from builder.formats.vmdk.writer import make_empty, write_stream_optimized

__all__ = [
    "GrainOverlay",
    "Splice",
    "StreamOptimized",
    "make_empty",
    "splice",
    "write_stream_optimized",
]
