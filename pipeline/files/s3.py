"""A look at a bucket of S3 before Beam's file system is asked, which tries for six minutes.

Whatever speaks S3 does: the address, the keys and the region are those that boto3 finds in the
environment (``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID``, ...) or in its files, or Beam's options.
"""

from __future__ import annotations

import functools
from typing import Any

from pipeline.errors import StorageError

CONNECT_SECONDS = 5
READ_SECONDS = 20

KEYS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write ~/.aws/credentials; "
    "AWS_ENDPOINT_URL is the address where it is not Amazon's"
)


@functools.cache
def check_bucket(bucket: str) -> None:
    """Raise StorageError, in one line, where a bucket is not there or cannot be asked; once each.

    A bucket whose keys may read objects, and not look at it as a whole, is as good as another.
    """
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        _client().head_bucket(Bucket=bucket)
    except NoCredentialsError:
        raise StorageError(f"s3://{bucket}: there are no keys: {KEYS}") from None
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:
            raise StorageError(f"s3://{bucket}: there is no such bucket") from None
        if status != 403:
            raise StorageError(f"s3://{bucket}: {error}") from None
    except (BotoCoreError, ValueError) as error:
        raise StorageError(f"s3://{bucket}: {error}; {KEYS}") from None


def _client() -> Any:
    """Return a client with the settings that Beam's has, and little patience."""
    import boto3
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import S3Options
    from botocore.config import Config

    given = FileSystems._pipeline_options.view_as(S3Options)
    return boto3.client(
        "s3",
        region_name=given.s3_region_name,
        endpoint_url=given.s3_endpoint_url,
        aws_access_key_id=given.s3_access_key_id,
        aws_secret_access_key=given.s3_secret_access_key,
        aws_session_token=given.s3_session_token,
        verify=given.s3_verify,
        config=Config(
            connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries={"max_attempts": 1}
        ),
    )
