"""The domain: what is asked, what is bought, what came back. No Dagster, no HTTP library."""
