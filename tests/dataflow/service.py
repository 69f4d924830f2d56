"""The main command on Dataflow, with a folder as its buckets and this process as its service.

    build/envs/dataflow/bin/python -m tests.dataflow.service FOLDER [OPTION ...]

``gs://BUCKET/NAME`` is ``FOLDER/BUCKET/NAME`` (:mod:`tests.dataflow.bucket`). Beam's own code
translates, stages and submits a job. In place of a request to Google, the job is written to
``FOLDER/jobs/N.json`` and its graph to ``FOLDER/jobs/N.pb``. Then the submitted graph runs in this
process. Every byte that goes into a shuffle is written to ``FOLDER/jobs/N.shuffled``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, BinaryIO

import google.cloud.dataflow_v1beta3 as dataflow
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.dataflow.internal.apiclient import DataflowApplicationClient
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.portability.fn_api_runner.execution import GroupingBuffer
from apache_beam.transforms.environments import EmbeddedPythonEnvironment

import beam_runner
from tests.dataflow.bucket import FolderIO, use_folder


class Service:
    """A stand-in of the service, which runs every job at once."""

    def __init__(self, io: FolderIO, jobs: Path) -> None:
        self.io = io
        self.jobs = jobs
        self.done: dict[str, dataflow.Job] = {}
        jobs.mkdir(parents=True, exist_ok=True)

    def stage(self, path: str, name: str, stream: BinaryIO) -> None:
        with self.io.open(f"{path}/{name}", "wb") as file:
            file.write(stream.read())

    def submit(self, job: Any) -> dataflow.Job:
        number = len(self.done)
        (self.jobs / f"{number}.json").write_text(job.json())
        graph = job.proto_pipeline.SerializeToString()
        (self.jobs / f"{number}.pb").write_bytes(graph)
        with (self.jobs / f"{number}.shuffled").open("wb") as shuffled:
            self._run(graph, job.options, shuffled)
        made = dataflow.Job(id=str(number), current_state=dataflow.JobState.JOB_STATE_DONE)
        return self.done.setdefault(made.id, made)

    def _run(self, graph: bytes, options: Any, shuffled: BinaryIO) -> None:
        """Run a graph in this process, in place of its container."""
        pipeline = beam_runner_api_pb2.Pipeline.FromString(graph)
        here = EmbeddedPythonEnvironment.default().to_runner_api(None)
        for environment in pipeline.components.environments.values():
            environment.CopyFrom(here)
        append = GroupingBuffer.append

        def watched(self: GroupingBuffer, data: bytes) -> None:
            shuffled.write(data)
            append(self, data)

        GroupingBuffer.append = watched
        try:
            FnApiRunner().run_via_runner_api(pipeline, options).wait_until_finish()
        finally:
            GroupingBuffer.append = append


def main() -> int:
    """Run the command with the options after the folder."""
    folder = Path(sys.argv[1])
    service = Service(use_folder(folder), folder / "jobs")
    client = DataflowApplicationClient
    client.stage_file = lambda self, path, name, stream, *_: service.stage(path, name, stream)
    client.submit_job_description = lambda self, job: service.submit(job)
    client.get_job = lambda self, job_id: service.done[job_id]
    return beam_runner.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
