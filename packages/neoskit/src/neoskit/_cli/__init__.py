"""The command line: arguments and printing. `neoskit --help` lists the commands."""
