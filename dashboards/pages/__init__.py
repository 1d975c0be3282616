"""The pages of the navigation, a module each: it reads the address, asks a view, and fills a template."""
