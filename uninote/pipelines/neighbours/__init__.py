"""The neighbours stage: a full join or an update, then the tables that readers see."""
