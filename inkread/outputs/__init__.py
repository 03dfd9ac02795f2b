"""Where what was read goes: searchable PDFs, the names of the output files, and batches of documents."""
