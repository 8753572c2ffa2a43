"""Files of companies in, contacts an analyst can query out, over Openmart's find_people API."""

__version__ = "0.1.0"
