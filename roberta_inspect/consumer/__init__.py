"""Who gets what: one module per consumer of the outputs, each really called."""
