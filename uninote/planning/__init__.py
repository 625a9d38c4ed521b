"""What a lake takes: hours, memory, shuffle, storage and money of each stage, foretold from its size; no Spark, no data.

Each stage has a file with its formulas. Memory and arithmetic of the index and of joins come from the plans by which those
stages run (`uninote.index.planning`, `uninote.neighbours.planning`). docs/planning.md works through an example by hand.
"""
