"""Calls the model and turns live tensors into records: none gets past here."""
