"""What the images of the demo corpus show, and how it is drawn."""
