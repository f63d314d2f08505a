"""Studies of TCMM: what its parts give, and the questions that its paper leaves open."""
