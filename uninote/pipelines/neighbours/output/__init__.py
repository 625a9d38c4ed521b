"""From the files of lists that tasks write to the tables that readers see."""
