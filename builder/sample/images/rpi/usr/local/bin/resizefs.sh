#!/bin/sh
# A sample: an image of Photon grows its root and makes a swap partition here.
