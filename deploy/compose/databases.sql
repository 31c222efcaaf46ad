-- Beside `eyas`, the prediction store's. Each keeps a table of its version by the same name, so they cannot share one.
CREATE DATABASE mlflow;
CREATE DATABASE studies;
