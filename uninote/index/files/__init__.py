"""What an index is on disk: its folder, its files, their checks, and the manifest that names them."""
