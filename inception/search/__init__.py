"""Better modules than Table 1: a space of networks, budgets, studies; and pruning."""
