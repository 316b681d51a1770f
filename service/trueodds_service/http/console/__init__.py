"""The console: pages for who has to decide, made on the server. The only home of jinja2."""
