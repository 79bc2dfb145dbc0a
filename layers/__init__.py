"""Prior boxes, the matching of faces with priors, and the MultiBox loss."""
