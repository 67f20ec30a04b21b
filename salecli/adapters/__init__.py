"""One file per outside thing. Adapters import the core; the core never imports them."""
