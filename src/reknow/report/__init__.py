"""Reports: what a run came to, as one HTML file that needs nothing else, and rank sheets as pictures."""
