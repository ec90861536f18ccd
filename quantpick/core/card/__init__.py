"""What a model card says of its repo's branches."""
