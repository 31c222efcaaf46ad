"""The prediction service: bundles behind HTTP. It never loads the learning half.

`server.serve` runs it; `app.create_app` gives it as an ASGI application. Nothing is imported here: the process that
starts the workers must stay one that can be forked, and ONNX Runtime starts a thread when it is imported.
"""
