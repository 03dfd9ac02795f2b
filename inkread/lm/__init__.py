"""N-gram language models: estimate them from text, store them, score text, and guide the beam search."""
