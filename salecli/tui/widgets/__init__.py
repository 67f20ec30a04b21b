"""One file per widget; each is fed plain values."""
