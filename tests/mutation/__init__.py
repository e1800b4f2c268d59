"""The mutation gate: our own safeguards, each switched off in a copy of the tree, and the suite that must notice."""
