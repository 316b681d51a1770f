"""The documentation site: ``python -m documentation`` builds it from the repository's Markdown."""
