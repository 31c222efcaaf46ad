"""From a bundle to production: images, compose, Kubernetes, three clouds. The files lie in `deploy/`; no torch."""
