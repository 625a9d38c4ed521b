"""How likely a neighbour is relevant, by judgments: a map from what lists say of a pair to a probability."""
