"""What a model is called: its folder, its weights, and the layout that its vectors are made in."""
