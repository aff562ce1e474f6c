"""The face of the auditor: a command line made of typer and rich. Computes nothing itself."""
