"""Foreign vectors in the place of a model: the same stage of embed around them."""
