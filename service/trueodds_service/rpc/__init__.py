"""gRPC: messages ↔ domain, errors → status codes. The only home of protobuf."""
