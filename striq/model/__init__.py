"""Frozen encoder, knowledge subspace and latent registration."""
