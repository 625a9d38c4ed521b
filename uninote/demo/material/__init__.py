"""What the texts and pictures of the demo are made from: tables of words and shapes, and random streams."""
