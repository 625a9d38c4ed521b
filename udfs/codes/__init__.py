"""What tasks do for the codes stage."""
