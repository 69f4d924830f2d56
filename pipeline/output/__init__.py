"""The folder of a run: what lies where, who may write, and files that are whole or not there."""
