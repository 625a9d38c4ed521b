"""How notes become examples: which pairs, their negatives and scores, and what is left out."""
