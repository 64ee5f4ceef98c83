"""Rules of the network: addresses, interface names and files of networkd."""
