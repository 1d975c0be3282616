"""Identity feeds: what other machines write down about who used which address. One module per format.

`pipeline.feeds.reading` knows which feeds there are; `pipeline.identity` makes bindings of what they say.
"""
