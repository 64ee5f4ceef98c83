"""Starting what was built in a virtual machine, and asking it whether it is what was wanted."""
