"""The auction and the work loop: no files, no network, no terminal, no models, no containers."""
