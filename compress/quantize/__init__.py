"""From a float ONNX file to an int8 one, and the decision which of the two to ship."""
