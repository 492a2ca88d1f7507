"""Label-free training of the aligner and the knowledge subspace."""
