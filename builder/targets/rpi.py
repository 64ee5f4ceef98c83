"""The name that Photon 4.0 and later have for the Raspberry Pi image."""

from builder.targets import Group

TARGET = Group("rpi", "The Raspberry Pi image, as Photon 4.0 and 5.0 call it", ("rpi3",))
