"""The training loop: what is trained, by which loss, from which state it resumes."""
