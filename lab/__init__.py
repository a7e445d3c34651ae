"""A lab for multiprocessing: run a script in every cell of start method x cores x Python."""

__version__ = "0.1.0"
