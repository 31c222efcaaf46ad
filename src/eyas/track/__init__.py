"""Training as it goes, told to TensorBoard, MLflow and Weights & Biases.

training ─► TensorBoard ─► RUN/tensorboard/
        └─► Journal ─► RUN/track/records.jsonl ─► a process a tracker (`delivery`) ─► MLflow, Weights & Biases

What goes over a network is written into the run folder first and sent by a process of its own: a tracking server that
is down, slow or hangs cannot fail or delay the training. What is not delivered waits for `eyas track sync`.

Nothing is imported here: `delivery` runs without torch, and starts faster so.
"""
