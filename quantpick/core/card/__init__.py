"""What a model card says about its repo's branches."""
