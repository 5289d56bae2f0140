"""What the model is given: texts, tensors or synthetic ids, and labels that fit."""
