"""Prior boxes, their matching with faces, and the MultiBox loss."""
