"""Where a register is written to; each sink implements ``core.protocols.Sink``."""
