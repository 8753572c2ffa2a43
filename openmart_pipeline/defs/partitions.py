"""Partitions: one per file in the input folder, named as `intake.input_files` names them.

Lives here: the definition, and the one function by which an asset learns its file. Nothing reads a file here.
"""

import dagster as dg

input_files = dg.DynamicPartitionsDefinition(name="input_files")


def input_file_of(context: dg.AssetExecutionContext) -> str:
    """Return the partition key of the run: the file's path below the input folder, as a key.

    Raises:
        dg.Failure: the run was started without one, or with an empty one.

    """
    key = context.partition_key if context.has_partition_key else ""
    if not key:
        raise dg.Failure(
            "No file was chosen: pick a file under Partition, then press Materialize again. Nothing was read or "
            "bought. Files in the input folder appear there by themselves while company_files_sensor is on.",
            allow_retries=False,
        )
    return key
