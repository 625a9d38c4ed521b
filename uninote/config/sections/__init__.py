"""The sections of the configuration, a module for each subject: every key with its default and its rule."""
