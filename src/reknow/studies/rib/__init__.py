"""Studies of RIB, a module each."""
