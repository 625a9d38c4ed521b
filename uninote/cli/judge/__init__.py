"""The command `uninote judge`."""
