"""A line of handwriting becomes a sequence of feature vectors."""

# The version of everything between a line and the network: normalisation and features. Model files store it. Increase
# it with a change that alters the features of a line, since models trained before would then read worse.
PREPROCESSING = 1
