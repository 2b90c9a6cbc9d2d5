"""The quantizers of onnxruntime and NNCF beside this one, on networks with real accuracy."""
