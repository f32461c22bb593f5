"""A described run, made: objects, training, judgement, files. It prints nothing."""
