"""The two paths, each short enough to read in one go: a score and a fit."""
