"""The audio of calls: encrypted, played with seeking, kept as long as promised and not a day longer."""
