"""Feature hashing as an encoder: no weights, numpy alone."""
