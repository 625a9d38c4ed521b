"""What a join is of: its rows, tables, attributes and rules, and the plan of a full one."""
