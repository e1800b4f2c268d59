"""Every access event of every service and of OpenBao itself, stored once, shown to the client it belongs to."""
