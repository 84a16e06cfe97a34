"""The module for web pages beside onnxruntime-web, under Node."""
