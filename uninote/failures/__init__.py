"""What ends a job or a command, told to a person: known faults by their texts, and anything else by its cause."""
