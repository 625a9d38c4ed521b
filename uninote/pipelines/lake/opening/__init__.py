"""What a run does with a lake before any stage: bring it to the present format, and read from it what settings leave open."""
