"""Files of tables that nothing needs any more, and how long Delta itself keeps what a table was."""
