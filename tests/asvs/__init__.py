"""ASVS 5.0, level 1 and 2: what this platform says to each requirement, and the page that is made of it."""
