"""`python -m openmart_pipeline.simulator`: the same command as `openmart-pipeline simulate`.

Nothing else lives here.
"""

from openmart_pipeline.simulator.command import simulate

if __name__ == "__main__":
    simulate()
