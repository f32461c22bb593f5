"""Where events come from: generated problems and files, each to a `Dataset`."""
