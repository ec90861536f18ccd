"""Bytes from the Hub: resumable, verified, by hf_transfer or by ranges."""
