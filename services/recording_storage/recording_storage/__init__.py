"""Encrypted audio of calls: stored in two zones, played with seeking, kept as long as promised."""
