"""Codecs of protocols that others have set: bytes to requests and answers to bytes, without a network."""
