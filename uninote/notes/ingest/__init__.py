"""From whatever a source looks like to the columns of the notes table."""
