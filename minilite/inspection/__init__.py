"""Reading a model without running it: what is in the file, how large it is, how much work it is."""
