"""`python -m openmart_pipeline`: the command line."""

from openmart_pipeline.cli import main

if __name__ == "__main__":
    main(prog_name="openmart-pipeline")
