"""Learning: data sets (`nas.train.data`), the training loop (`nas.train.loop`) and the interval of an accuracy."""
