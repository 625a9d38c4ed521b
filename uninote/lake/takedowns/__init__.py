"""Orders to take notes down: who gave them says so once, and every reader and every stage obeys."""
