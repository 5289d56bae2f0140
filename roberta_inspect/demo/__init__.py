"""The bundled demo checkpoint: a small RoBERTa that was trained on sentiment, and its training."""
