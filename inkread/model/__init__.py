"""The recogniser of lines: network, decoder, model file; and the recurrent language model."""
