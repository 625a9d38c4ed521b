"""How a join is cut and what it takes, of memory, shuffle and time: arithmetic only, no data and no Spark."""
