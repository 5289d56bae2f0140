"""What was typed → one call of the library → stdout or a file."""
