"""Reports of studies, each written as JSON, Markdown and a picture."""
