"""The HTTP door: JSON ↔ domain, errors → status codes. The only home of starlette and uvicorn."""
