"""`uninote plan`: its arguments, the plan, and how it is printed."""
