"""`python -m openmart_pipeline.api.simulator`: the same command as `openmart-pipeline simulate`.

Nothing else lives here. Imports the command only.
"""

from openmart_pipeline.api.simulator.command import simulate

if __name__ == "__main__":
    simulate()
