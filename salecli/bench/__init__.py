"""The evidence: suites, the outcome matrix, the market and routers over it; reports; bars of speed."""
