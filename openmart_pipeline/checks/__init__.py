"""Read-only verdicts about everything that the pipeline holds. They inform; the purchase refuses."""
