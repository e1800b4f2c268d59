"""Events as contracts: what services tell each other, and nothing about how it travels."""
