"""Where the weights come from: found, checked before anything is allocated, then loaded."""
