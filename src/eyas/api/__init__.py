"""eyas for notebooks and scripts: one classifier, with the names that scikit-learn and Keras have taught.

`Classifier` stands in `classifier`, which `eyas` loads when it is first used.
"""
