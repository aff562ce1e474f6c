"""The commands: one file each, which turns a command line into a call and its result into output."""
